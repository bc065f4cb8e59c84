"""Read files with the readers under test and compare with what others read."""

from __future__ import annotations

import math
import subprocess
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from astropy.table import MaskedColumn, Table

from vo.core.tables import Column, TableMetadata, schema_of
from vo.core.tables.readers import Layout, open_table


@dataclass(frozen=True)
class Read:
    columns: dict[str, Column]
    table: pa.Table
    metadata: TableMetadata
    batches: list[int]

    def __getitem__(self, name: str) -> list[Any]:
        values: list[Any] = self.table.column(name).to_pylist()
        return values


def read(
    path: Path, *, layout: Layout | None = None, format: str | None = None, table: str | int | None = None
) -> Read:
    """Read a whole file, checking that each batch is what the stream promises."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stream = open_table(path, layout=layout, format=format, table=table)
        schema = schema_of(stream.columns)
        batches = []
        for batch in stream.batches:
            batch.validate(full=True)
            assert batch.schema.equals(schema, check_metadata=True)
            batches.append(batch)
    whole = pa.Table.from_batches(batches, schema=schema)
    columns = {column.name: column for column in stream.columns}
    return Read(columns, whole, stream.metadata, [batch.nbytes for batch in batches])


def stilts(source: Path, target: Path, ofmt: str, *commands: str) -> Path:
    """Convert a table by STILTS."""
    arguments = ["stilts", "tpipe", f"in={source}", f"out={target}", f"ofmt={ofmt}"]
    done = subprocess.run(
        [*arguments, *(f"cmd={command}" for command in commands)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return target


def plain(value: Any) -> Any:
    """Return a cell of any library as plain Python; what stands for "no value" (masked, NaN, empty) as None."""
    if value is None or value is np.ma.masked:
        return None
    if isinstance(value, np.ma.MaskedArray):
        return [plain(item) for item in value.ravel()]
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(item) for item in np.asarray(value).ravel().tolist()]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, complex):
        return [value.real, value.imag]
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, str):
        return value.rstrip() or None
    return None if isinstance(value, float) and math.isnan(value) else value


def flattened(value: Any) -> Any:
    """Return nested lists (complex numbers in arrays) as one list."""
    if not isinstance(value, list):
        return value
    return [part for item in value for part in (item if isinstance(item, list) else [item])]


def assert_same(found: Read, expected: Table) -> None:
    """Compare with a table that Astropy read."""
    assert list(found.columns) == list(expected.colnames)
    assert found.table.num_rows == len(expected)
    for name in expected.colnames:
        theirs = [flattened(plain(value)) for value in expected[name]]
        ours = [flattened(plain(value)) for value in found[name]]
        absent_arrays = {index for index, value in enumerate(theirs) if value == []}
        ours = [[] if value is None and index in absent_arrays else value for index, value in enumerate(ours)]
        assert ours == theirs, name


def masked(values: Iterable[Any], dtype: str, absent: Iterable[int]) -> MaskedColumn:
    """Return a column of Astropy in which the cells of some rows are masked."""
    data = np.array(list(values), dtype)
    mask = np.zeros(data.shape, bool)
    mask[list(absent)] = True
    return MaskedColumn(data, mask=mask)


def every_type(rows: int = 7) -> Table:
    """Return a table with a column of each type that Astropy can write, most of them with missing values."""
    numbers = np.arange(rows)
    table = Table()
    table["flag"] = masked(numbers % 2 == 0, "bool", [3])
    table["byte"] = masked(numbers * 40, "u1", [2])
    table["short"] = masked(numbers * -5000, "i2", [1])
    table["int"] = masked(numbers * -300_000_000 + 5, "i4", [0])
    table["long"] = masked(numbers * (1 << 60) + 1, "i8", [4])
    table["float"] = masked(numbers / np.float32(3), "f4", [5])
    table["double"] = masked([math.nan, math.inf, -math.inf, 1e-300, -0.0, 0.1, 1 / 3][:rows], "f8", [6])
    table["text"] = ["", "a", "<&>\"'", "two words", "x" * 20, "]]>", "end"][:rows]
    table["unicode"] = ["é", "Ω", "日本", "", "plain", "ß", "ünï"][:rows]
    table["vector"] = np.arange(3 * rows, dtype="f8").reshape(rows, 3)
    table["matrix"] = np.arange(6 * rows, dtype="i4").reshape(rows, 3, 2)
    table["double"].unit = "mas"
    table["double"].description = "Parallax & more"
    table["double"].meta["ucd"] = "pos.parallax"
    return table
