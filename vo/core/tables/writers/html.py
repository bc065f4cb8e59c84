"""HTML, a page for people: sticky column names with units, numbers aligned right, nulls (and empty texts) hatched.

The page has no scripts and asks for nothing; its colours follow the reader's system. It is shown while it arrives. How
the rows ended stands below them, and stays in sight where they are not all there are.
"""

from __future__ import annotations

import re
from html import escape

import pyarrow as pa

from vo.core.tables.columns import FLOATING, INTEGER, Column
from vo.core.tables.writers.base import Chunk, Outcome, ResultMetadata, Writer
from vo.core.tables.writers.canonical import Canonical
from vo.core.tables.writers.text import Spelling, join_rows, texts
from vo.core.tables.writers.xml import escape_cells

SPELLING = Spelling(null_float="null", null_bit="null", brackets=("[", "]"))
_BETWEEN_CELLS = pa.scalar("</td><td>")
_BETWEEN_ROWS = pa.scalar("</td></tr>\n<tr><td>")
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

_STYLE = """\
:root { color-scheme: light dark; --page: #fff; --text: #1c2126; --quiet: #66707a; --line: #d9dee3; --head: #eef1f4;
  --stripe: #f7f9fa; --mark: #fff0d0; --wrong: #ffdfdb }
@media (prefers-color-scheme: dark) { :root { --page: #14181c; --text: #dde3e9; --quiet: #8f9ba7; --line: #303941;
  --head: #20272e; --stripe: #191e23; --mark: #4a3a12; --wrong: #5a211b } }
body { margin: 1rem; background: var(--page); color: var(--text); font: 14px/1.4 system-ui, sans-serif }
h1 { margin: 0 0 .3rem; font-size: 1.2rem }
p, details { margin: 0 0 .8rem; max-width: 60rem }
dt { color: var(--quiet) }
dd { margin: 0 0 .4rem 1rem; white-space: pre-wrap; overflow-wrap: anywhere }
table { border-collapse: separate; border-spacing: 0; font-variant-numeric: tabular-nums }
th { position: sticky; top: 0; padding: .3rem .6rem; background: var(--head); border-bottom: 2px solid var(--line);
  text-align: left; vertical-align: bottom; white-space: nowrap }
th[title] { cursor: help }
th[data-unit]::after { display: block; color: var(--quiet); font-weight: normal; content: attr(data-unit) }
td { padding: .15rem .6rem; border-bottom: 1px solid var(--line); max-width: 30rem; overflow-wrap: break-word }
tbody tr:nth-child(even) { background: var(--stripe) }
td:empty { background: repeating-linear-gradient(135deg, transparent 0 4px, var(--line) 4px 5px) }
.rows { margin: .8rem 0; color: var(--quiet) }
.overflow, .error { position: sticky; bottom: 0; margin: .8rem 0 0; padding: .5rem .8rem; border-radius: .3rem;
  max-width: none; background: var(--mark) }
.error { background: var(--wrong) }
"""


class HTMLWriter(Writer):
    """Writes one page.

    Parameters
    ----------
    columns : tuple of Column
        Declared columns, at least one.
    metadata : ResultMetadata
        Name, descriptions and infos are written.
    """

    def __init__(self, columns: tuple[Column, ...], metadata: ResultMetadata) -> None:
        self._columns = columns
        self._metadata = metadata
        self._canonical = Canonical(columns)

    def begin(self) -> bytes:
        """Return the page up to the first row."""
        metadata = self._metadata
        title = _shown(metadata.name or "Table")
        infos = "".join(
            f"<dt>{_shown(name)}</dt><dd>{_shown(f'{value} {text}'.strip())}</dd>\n"
            for name, value, text in metadata.infos
        )
        page = (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width">\n'
            f"<title>{title}</title>\n<style>\n{_STYLE}{_column_styles(self._columns)}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
            + "".join(f"<p>{_shown(text)}</p>\n" for text in (metadata.description, metadata.service) if text)
            + (f"<details>\n<summary>About this table</summary>\n<dl>\n{infos}</dl>\n</details>\n" if infos else "")
            + "<table>\n<thead>\n<tr>"
            + "".join(_heading(column) for column in self._columns)
            + "</tr>\n</thead>\n<tbody>\n"
        )
        return page.encode()

    def batch(self, batch: pa.RecordBatch) -> list[Chunk]:
        """Return the rows of a batch."""
        chunks: list[Chunk] = []
        for arrays in self._canonical.pieces(batch):
            written = [
                escape_cells(array) if pa.types.is_string(array.type) else texts(column, array, SPELLING)
                for column, array in zip(self._columns, arrays, strict=True)
            ]
            chunks += [b"<tr><td>", *join_rows(written, _BETWEEN_CELLS, _BETWEEN_ROWS), b"</td></tr>\n"]
        return chunks

    def end(self, outcome: Outcome) -> list[Chunk]:
        """Return the end of the page, with how the rows ended."""
        rows = f"{outcome.rows:,} row{'' if outcome.rows == 1 else 's'}"
        if outcome.error is not None:
            ending = f'<p class="error" role="alert">The rows end here, after {rows}: {_shown(outcome.error)}</p>'
        elif outcome.overflow:
            ending = f'<p class="overflow" role="status">There are more rows than these {rows}.</p>'
        else:
            ending = f'<p class="rows">{rows}</p>'
        return [f"</tbody>\n</table>\n{ending}\n</body>\n</html>\n".encode()]


def _column_styles(columns: tuple[Column, ...]) -> str:
    """Return a rule for the columns that need one, which keeps their cells free of attributes."""
    rules = ""
    for number, column in enumerate(columns, 1):
        if column.xtype == "timestamp":
            rules += f"td:nth-child({number}) {{ white-space: nowrap }}\n"
        elif column.datatype in INTEGER | FLOATING and not column.is_array:
            rules += f"td:nth-child({number}), th:nth-child({number}) {{ text-align: right; white-space: nowrap }}\n"
    return rules


def _heading(column: Column) -> str:
    attributes = ""
    if column.unit:
        attributes += f' data-unit="{_shown(column.unit)}"'
    told = "\n".join(filter(None, (column.description, column.ucd and f"UCD: {column.ucd}")))
    if told:
        attributes += f' title="{_shown(told)}"'
    return f'<th scope="col"{attributes}>{_shown(column.name)}</th>'


def _shown(text: str) -> str:
    """Return a text for content or attributes, without the characters that HTML cannot have."""
    return escape(_NO_TEXT.sub("", text))
