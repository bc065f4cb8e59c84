"""The reference pages, made from the code: ``python -m vo.cli.reference FOLDER`` writes them."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import typer
from pydantic_core import PydanticUndefined
from starlette.routing import Route
from typer.core import TyperOption

from tap.adql import FEATURES, limits
from vo.app.main import create_app
from vo.cli.commands import app
from vo.core.settings import Settings
from vo.core.tables.writers import FORMATS

_NOTE = "<!-- Written by scripts/reference from the code: change it there. -->\n"


def settings_page() -> str:
    """Return the page of all settings."""
    rows = [f"# Settings\n\n{_NOTE}", "| environment | `vo.toml` | default | meaning |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        if field.default is not PydanticUndefined:
            default = f"`{field.default}`" if field.default not in ("", None, ()) else ""
        else:
            default = "depends on the machine"
        meaning = " ".join((field.description or "").split()).replace("``", "`")
        rows.append(f"| `VO_{name.upper()}` | `{name}` | {default} | {meaning} |")
    return "\n".join(rows) + "\n"


def commands_page() -> str:
    """Return the page of all commands with their arguments."""
    parts = [f"# Commands\n\n{_NOTE}\nEach runs in the stack's environment as `scripts/vo COMMAND`."]
    for path, command in commands():
        usage = [f"vo {path}"]
        rows = []
        for parameter in command.params:
            if isinstance(parameter, TyperOption):
                names = ", ".join(f"`{name}`" for name in parameter.opts)
                rows.append(f"| {names} | {parameter.help or ''} |")
            else:
                name = (parameter.name or "").upper()
                usage.append(name)
                rows.append(f"| `{name}` | {getattr(parameter, 'help', None) or ''} |")
        parts.append(f"## {' '.join(usage)}\n\n{inspect.cleandoc(command.help or '')}")
        if rows:
            parts.append("\n".join(["| argument | meaning |", "|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def commands() -> Iterator[tuple[str, Any]]:
    """Yield every command with its words after ``vo``."""
    yield from _below(typer.main.get_command(app), "")


def _below(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, command in getattr(group, "commands", {}).items():
        if hasattr(command, "commands"):
            yield from _below(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def endpoints_page() -> str:
    """Return the page of all endpoints and formats."""
    rows = [f"# Endpoints\n\n{_NOTE}", "| path | methods | answer |", "|---|---|---|"]
    for route in create_app(Settings()).routes:
        if isinstance(route, Route):
            methods = ", ".join(sorted((route.methods or set()) - {"HEAD"}))
            first = inspect.getdoc(route.endpoint) or ""
            rows.append(f"| `{route.path}` | {methods} | {' '.join(first.split())} |")
    rows += ["\n## Formats\n", "| name | media type | also | what |", "|---|---|---|---|"]
    for form in FORMATS:
        also = ", ".join(f"`{alias}`" for alias in form.aliases)
        rows.append(f"| `{form.name}` | `{form.media_type}` | {also} | {form.description} |")
    return "\n".join(rows) + "\n"


def adql_page() -> str:
    """Return the page of ADQL's optional features and the user-defined functions."""
    parts = [f"# ADQL: optional features, functions and limits\n\n{_NOTE}"]
    for feature_type, features in FEATURES.items():
        rows = [f"## {feature_type.rpartition('#')[2]}\n"]
        rows += [f"- `{item.form}`" + (f": {item.description}" if item.description else "") for item in features]
        parts.append("\n".join(rows))
    rows = [
        "## Limits\n\nA query beyond one is refused, unless its line says otherwise.\n",
        "| most | of what |",
        "|---|---|",
    ]
    rows += [f"| {value:,} | {meaning} |" for value, meaning in documented_constants(limits)]
    parts.append("\n".join(rows))
    return "\n\n".join(parts) + "\n"


def documented_constants(module: ModuleType) -> Iterator[tuple[Any, str]]:
    """Yield the value of each constant of a module and the text below it."""
    body = ast.parse(inspect.getsource(module)).body
    for node, below in pairwise(body):
        if isinstance(node, ast.Assign) and isinstance(below, ast.Expr) and isinstance(node.targets[0], ast.Name):
            assert isinstance(below.value, ast.Constant)  # noqa: S101  (what else stands alone is a text)
            yield getattr(module, node.targets[0].id), " ".join(str(below.value.value).split())


PAGES = {
    "settings.md": settings_page,
    "commands.md": commands_page,
    "endpoints.md": endpoints_page,
    "adql.md": adql_page,
}


def main() -> None:
    """Write all pages into the folder that the command line names."""
    folder = Path(sys.argv[1])
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
