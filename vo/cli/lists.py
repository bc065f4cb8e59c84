"""Lists for people, as wide as the window, and for programs, with tabs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.text import Text

from vo.cli.showing import out


def print_table(names: Sequence[str], rows: Sequence[Sequence[Text]], *, right: set[str]) -> None:
    """Print a table whose columns are as wide as what they hold, and which the window cuts at its right side."""
    heads = [Text(name, "bold") for name in names]
    filled = [number for number in range(len(names)) if any(row[number] for row in rows)]
    widths = [max(row[number].cell_len for row in (heads, *rows)) for number in range(len(names))]
    for row in (heads, *rows):
        line = Text()
        for number in filled:
            cell = row[number].copy()
            cell.align("right" if names[number] in right else "left", widths[number])
            line.append_text(cell).append("  ")
        line.rstrip()
        line.truncate(out.width, overflow="ellipsis")
        out.print(line)


def print_values(names: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print lines of values with tabs between them."""
    print("\t".join(names))
    for row in rows:
        print("\t".join(map(line_of, row)))


def line_of(value: str, *, keep_spaces: bool = False) -> str:
    """Return what a caller wrote as one line, without what would move the terminal's cursor."""
    shown = "".join(character if character.isprintable() else " " for character in value)
    return shown if keep_spaces else " ".join(shown.split())


def lines_of(value: str) -> str:
    """Return what a caller wrote, line by line, without what would move the terminal's cursor."""
    return "\n".join(line_of(line, keep_spaces=True) for line in value.splitlines())
