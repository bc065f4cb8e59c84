"""Who computes: our kernels, or the published package that they are tested against."""

from __future__ import annotations

from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version

from vo import __version__


class Engine(StrEnum):
    """Values of the parameter ENGINE."""

    BATCH = "batch"
    PACKAGE = "package"


def installed(package: str) -> str | None:
    """Return the version of a package that is installed, without importing it."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def ran(engine: Engine, package: str, kernel: str) -> dict[str, str]:
    """Return what results say of the engine that made them, by names of INFOs.

    Parameters
    ----------
    engine : Engine
        Which.
    package : str
        Name of the distribution of the published package.
    kernel : str
        Version of our kernel.
    """
    if engine is Engine.PACKAGE:
        return {"engine": f"{package} {installed(package)}"}
    return {"engine": f"batch kernel {kernel} of vo-stack {__version__}"}
