"""Documents against the IVOA's own schemas."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType


@cache
def _validator(folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("vo_xsd", folder / "schemas" / "vo_xsd.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def faults(document: bytes, folder: Path | None) -> list[str]:
    """What is wrong with a document; nothing is found where the folder with the schemas is missing."""
    if folder is None:
        return []
    found: list[str] = _validator(folder).validate(document)
    return found
