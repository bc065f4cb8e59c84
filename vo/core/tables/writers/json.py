"""JSON: ``{"metadata": [columns], "data": [rows]}``, the shape that ESA's archives made common.

Before these stand the table's name, description and infos, behind them ``"overflow": true`` or ``"error": "…"`` where
the rows are not all there are. Integers have all their digits, whatever their size. JSON has no NaN and no infinities:
they are the texts "NaN", "Infinity" and "-Infinity", and null is null; the document says so itself. Arrays are lists,
of several dimensions lists of lists with VOTable's first dimension innermost; a complex number is a list of two.
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from vo.core.tables.columns import Column
from vo.core.tables.writers.base import Chunk, Outcome, ResultMetadata, Writer
from vo.core.tables.writers.canonical import Canonical
from vo.core.tables.writers.text import Spelling, enclosed, join_rows, replaced, texts

SPELLING = Spelling(
    nan='"NaN"',
    infinity='"Infinity"',
    minus_infinity='"-Infinity"',
    null_float="null",
    null_bit="null",
    brackets=("[", "]"),
)
CONVENTIONS = 'null is no value; NaN and the infinities are the texts "NaN", "Infinity", "-Infinity"'
_COMMA = pa.scalar(",")
_BETWEEN_ROWS = pa.scalar("],\n[")
_ESCAPED = {"\\": r"\\", '"': r"\""} | {chr(code): json.dumps(chr(code))[1:-1] for code in range(0x20)}
_WORDS = ("datatype", "arraysize", "xtype", "unit", "ucd", "utype", "description")


class JSONWriter(Writer):
    """Writes one JSON object.

    Parameters
    ----------
    columns : tuple of Column
        Declared columns, at least one.
    metadata : ResultMetadata
        Name, description and infos are written.
    """

    def __init__(self, columns: tuple[Column, ...], metadata: ResultMetadata) -> None:
        self._columns = columns
        self._metadata = metadata
        self._canonical = Canonical(columns)
        self._before_row = b"\n["

    def begin(self) -> bytes:
        """Return the document up to the first row."""
        metadata = self._metadata
        facts: dict[str, Any] = {
            "name": metadata.name,
            "description": metadata.description,
            "service": metadata.service,
            "infos": [_known({"name": name, "value": value, "text": text}) for name, value, text in metadata.infos],
            "conventions": CONVENTIONS,
        }
        members = [f"{_text(key)}: {_text(value)},\n" for key, value in _known(facts).items()]
        columns = ",\n".join(_text(_described(column)) for column in self._columns)
        return f'{{{"".join(members)}"metadata": [\n{columns}\n],\n"data": ['.encode()

    def batch(self, batch: pa.RecordBatch) -> list[Chunk]:
        """Return the rows of a batch."""
        chunks: list[Chunk] = []
        for arrays in self._canonical.pieces(batch):
            written = [_cells(column, array) for column, array in zip(self._columns, arrays, strict=True)]
            chunks += [self._before_row, *join_rows(written, _COMMA, _BETWEEN_ROWS, null="null"), b"]"]
            self._before_row = b",\n["
        return chunks

    def end(self, outcome: Outcome) -> list[Chunk]:
        """Return the end of the rows and of the document, with the mark of an overflow or error."""
        mark = ""
        if outcome.error is not None:
            mark = f',\n"error": {_text(outcome.error)}'
        elif outcome.overflow:
            mark = ',\n"overflow": true'
        return [f"\n]{mark}}}\n".encode()]


def _cells(column: Column, array: pa.Array) -> pa.StringArray:
    written = texts(column, array, SPELLING)
    if not column.is_text:
        return written
    return enclosed(replaced(written, _ESCAPED), '"', '"')


def _described(column: Column) -> dict[str, Any]:
    return {"name": column.name} | _known({word: getattr(column, word) for word in _WORDS})


def _known(facts: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in facts.items() if value}


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
