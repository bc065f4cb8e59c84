"""FITS tables (FITS Standard 4.0, sections 7.2 and 7.3): headers by Astropy, rows as blocks of bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa

from vo.core.errors import TableError
from vo.core.tables.columns import COMPLEX, Column, schema_of
from vo.core.tables.readers.fits.cells import cell_arrays
from vo.core.tables.readers.fits.columns import ascii_fields, binary_fields
from vo.core.tables.readers.fits.hdu import TableHDU, find_table
from vo.core.tables.readers.fixed_width import field_array
from vo.core.tables.readers.limits import TableLimits
from vo.core.tables.readers.slices import Integers
from vo.core.tables.readers.source import BLOCK, Source
from vo.core.tables.stream import TableStream


def open_fits(source: Source, table: str | int | None = None) -> TableStream:
    """Open a table extension of a FITS file.

    Parameters
    ----------
    source : Source
        The file, perhaps gzipped.
    table : str or int, optional
        EXTNAME, or number of the HDU, of which the primary one is 0; by default the first table.

    Raises
    ------
    TableError
        If there is no such table, a column is of no known form, or the file ends before its rows do.
    """
    source = source.unpacked()
    with source.path.open("rb") as file:
        hdu = find_table(file, table, source.limits)
    source.limits.check_columns(int(hdu.header["TFIELDS"]))
    source.limits.check_row(hdu.width)
    if hdu.rows and not hdu.width:
        raise TableError(f"The FITS table has {hdu.rows} rows of 0 bytes.")
    if hdu.is_ascii:
        columns = tuple(field.column for field in ascii_fields(hdu.header))
        return TableStream(columns, _ascii_batches(source, hdu), hdu.metadata())
    columns = tuple(field.column for field in binary_fields(hdu.header))
    if len(hdu.described) == len(columns):
        columns = tuple(_described(*pair) for pair in zip(columns, hdu.described, strict=True))
    return TableStream(columns, _binary_batches(source, hdu, columns), hdu.metadata())


def _described(column: Column, described: Column) -> Column:
    """Return the column with what fits-plus says of it; the header alone says how the cells are stored.

    FITS has texts of one kind only, as long as the longest, and no shape for arrays of variable length; ours are no
    complex numbers there.
    """
    xtype = described.xtype if described.xtype != "timestamp" or column.is_text else None
    kept = described if _is_stored_as(described, column) else column
    return replace(
        column,
        datatype=kept.datatype,
        arraysize=kept.arraysize,
        name=described.name,
        xtype=xtype or column.xtype,
        unit=described.unit or column.unit,
        ucd=described.ucd or column.ucd,
        utype=described.utype or column.utype,
        description=described.description or column.description,
    )


def _is_stored_as(described: Column, column: Column) -> bool:
    if column.is_text and described.is_text:
        return "x" not in (column.arraysize or "") and described.length in {None, column.length}
    same = column.datatype is described.datatype or described.datatype in COMPLEX
    return same and described.arrow_type == column.arrow_type and described.length == column.length


def _row_blocks(source: Source, hdu: TableHDU) -> Iterator[tuple[bytes, int]]:
    """Yield blocks of whole rows and the number of rows in each."""
    step = max(1, BLOCK // max(1, hdu.width))
    with source.path.open("rb") as file:
        file.seek(hdu.start)
        for done in range(0, hdu.rows, step):
            rows = min(step, hdu.rows - done)
            yield file.read(rows * hdu.width), rows


def _ascii_batches(source: Source, hdu: TableHDU) -> Iterator[pa.RecordBatch]:
    fields = ascii_fields(hdu.header)
    schema = schema_of(field.column for field in fields)
    done = 0
    for block, rows in _row_blocks(source, hdu):
        matrix = np.frombuffer(block, np.uint8).reshape(rows, hdu.width)
        arrays = [
            field_array(matrix, field.place, field.column, line=done, place="row", nulls=field.nulls)
            for field in fields
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        done += rows


def _binary_batches(source: Source, hdu: TableHDU, columns: tuple[Column, ...]) -> Iterator[pa.RecordBatch]:
    fields = [replace(field, column=column) for field, column in zip(binary_fields(hdu.header), columns, strict=True)]
    if sum(field.size for field in fields) > hdu.width:
        raise TableError("The columns of the FITS table take more bytes than its rows have (NAXIS1).")
    schema = schema_of(columns)
    if not any(field.pointer for field in fields):
        for block, rows in _row_blocks(source, hdu):
            yield pa.RecordBatch.from_arrays(cell_arrays(fields, block, rows, hdu.width, None), schema=schema)
        return
    with source.path.open("rb") as file:
        heap = (
            np.memmap(file, np.uint8, "r", hdu.heap_start, (hdu.heap_size,)) if hdu.heap_size else np.empty(0, np.uint8)
        )
        for block, rows in _row_blocks(source, hdu):
            sizes = np.full(rows, hdu.width)
            for field in fields:
                if field.pointer:
                    sizes += field.heap_bytes(block, rows, hdu.width, hdu.heap_size)
            for first, count in _parts(sizes, source.limits):
                part = memoryview(block)[first * hdu.width : (first + count) * hdu.width]
                yield pa.RecordBatch.from_arrays(cell_arrays(fields, part, count, hdu.width, heap), schema=schema)


def _parts(sizes: Integers, limits: TableLimits) -> Iterator[tuple[int, int]]:
    """Yield ranges of rows (first, count) that come with their arrays to about a block each."""
    ends = np.cumsum(sizes)
    first = 0
    while first < len(sizes):
        before = ends[first] - sizes[first]
        limits.check_row(int(sizes[first]))
        count = max(1, int(np.searchsorted(ends, before + BLOCK, "right")) - first)
        yield first, count
        first += count
