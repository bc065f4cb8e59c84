"""What Parquet and Arrow IPC share: columns of Arrow's types and their descriptions become ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vo.core.errors import LimitError, TableError
from vo.core.tables.columns import ARRAYSIZE, Column, Datatype, schema_of, votable_type
from vo.core.tables.readers.ecsv import load_header, read_columns, read_metadata
from vo.core.tables.readers.limits import TableLimits
from vo.core.tables.readers.source import BLOCK, translated
from vo.core.tables.readers.text import check_width, checked_text
from vo.core.tables.readers.votable import described_table
from vo.core.tables.stream import TableMetadata

MOST_ROWS = 1 << 17
"""Rows of the largest batch, however little a row may hold."""

_VOPARQUET = b"IVOA.VOTable-Parquet.content"
_ASTROPY_WIDTH = b"table::len::"
_ASTROPY = b"table_meta_yaml"
_INTERNAL = {b"pandas", b"ARROW:schema", _VOPARQUET, _ASTROPY}
_TOO_LARGE = pa.scalar(1 << 63, pa.uint64())
_EXACT_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Columns:
    """How the columns of a file become those of a table.

    Attributes
    ----------
    stored : tuple of Column
        A column of the table for each one of the file.
    masks : dict of int to int
        For each column that Astropy has masked, by number, the boolean column of the file that holds its mask.
    metadata : TableMetadata
    """

    stored: tuple[Column, ...]
    masks: dict[int, int]
    metadata: TableMetadata

    @property
    def shown(self) -> tuple[Column, ...]:
        """The columns of the table."""
        return tuple(self.stored[index] for index in self._places())

    def _places(self) -> list[int]:
        return [index for index in range(len(self.stored)) if index not in self.masks.values()]

    def batch(self, batch: pa.RecordBatch, row: int) -> pa.RecordBatch:
        """Return a batch of the file, which begins behind `row` rows, as one of the table."""
        arrays = [_canonical(array, column, row) for array, column in zip(batch.columns, self.stored, strict=True)]
        for index, mask in self.masks.items():
            arrays[index] = pc.if_else(arrays[mask], pa.scalar(None, arrays[index].type), arrays[index])
        return pa.RecordBatch.from_arrays([arrays[index] for index in self._places()], schema=schema_of(self.shown))


def read_schema(schema: pa.Schema, format: str, limits: TableLimits) -> Columns:
    """Return the columns of a file and what its metadata say: ours, VOParquet's or Astropy's.

    Raises
    ------
    TableError
        For a column that no VOTable type holds (structs, maps, ragged nested lists, binary); names it.
    LimitError
        For too many columns.
    """
    limits.check_columns(len(schema))
    if not len(schema):
        raise TableError("The file has no columns.")
    stored = schema.metadata or {}
    described, metadata = _description(stored, limits)
    ours = {field.name for field in schema if "datatype" in _keys(field)}  # they say all themselves
    columns = _merge(
        tuple(_column(field, format) for field in schema),
        tuple(column for column in described if column.name not in ours),
    )
    infos = {
        key.decode(errors="replace"): value.decode(errors="replace")
        for key, value in stored.items()
        if key not in _INTERNAL and not key.startswith(_ASTROPY_WIDTH)
    }
    return Columns(
        columns, _masks(columns) if _ASTROPY in stored else {}, replace(metadata, infos=metadata.infos | infos)
    )


def slices(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Yield a batch in parts that hold about a block each when their dictionaries are written out."""
    rows = len(batch)
    width = batch.nbytes // max(1, rows)
    width += sum(longest_entry(array) for array in batch.columns if pa.types.is_dictionary(array.type))
    step = max(1, min(MOST_ROWS, BLOCK // max(1, width)))
    for first in range(0, rows, step):
        yield batch.slice(first, step)


def longest_entry(array: pa.DictionaryArray) -> int:
    """Return the bytes of the longest text in a dictionary; 0 if it holds something else."""
    entries = array.dictionary
    if not (pa.types.is_string(entries.type) or pa.types.is_large_string(entries.type)):
        return 0
    return pc.max(pc.binary_length(entries)).as_py() or 0


def _column(field: pa.Field, format: str) -> Column:
    try:
        derived = _derived(field)
    except TypeError:
        raise TableError(
            f"Column {field.name!r} is of {format}'s type {field.type}, which no table here can hold."
        ) from None
    try:
        known = Column.from_field(field.with_type(derived.arrow_type))
    except (TypeError, ValueError):  # metadata of others, or damaged: the type alone is enough
        return derived
    if known.arraysize is not None and not ARRAYSIZE.fullmatch(known.arraysize):
        return derived
    if known.datatype is derived.datatype and "datatype" not in _keys(field):
        known = replace(known, arraysize=derived.arraysize)
    return known if known.arrow_type == derived.arrow_type else derived


def _keys(field: pa.Field) -> set[str]:
    return {key.decode(errors="replace") for key in field.metadata or {}}


def _derived(field: pa.Field) -> Column:
    """Return the column that holds the values of a type, without any description.

    Raises
    ------
    TypeError
        If no VOTable type does.
    """
    kind = field.type
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    shape: list[str] = []
    while pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
        shape.append(str(kind.list_size) if pa.types.is_fixed_size_list(kind) else "*")
        kind = kind.value_type
    if pa.types.is_time(kind) and not shape:
        return Column(field.name, Datatype.CHAR, "*")
    if pa.types.is_uint64(kind) or (pa.types.is_decimal(kind) and kind.scale == 0 and kind.precision <= _EXACT_DIGITS):
        kind = pa.int64()  # a long, if no value is too large for it
    datatype, arraysize, xtype = votable_type(kind)
    if not shape:
        return Column(field.name, datatype, arraysize, xtype)
    if arraysize is not None or "*" in shape[1:]:
        raise TypeError("texts in lists, and lists of different lengths in lists")
    return Column(field.name, datatype, "x".join(reversed(shape)))


def _masks(columns: tuple[Column, ...]) -> dict[int, int]:
    """Return for each column that Astropy has masked, by index, the boolean column that holds its mask."""
    places = {column.name: index for index, column in enumerate(columns) if column.datatype is Datatype.BOOLEAN}
    found = ((index, places.get(f"{column.name}.mask")) for index, column in enumerate(columns))
    return {index: mask for index, mask in found if mask is not None}


def _description(stored: dict[bytes, bytes], limits: TableLimits) -> tuple[tuple[Column, ...], TableMetadata]:
    """Return what VOParquet's or Astropy's metadata say; a file is read without them if they are damaged."""
    readers: tuple[tuple[bytes, Callable[[bytes], tuple[tuple[Column, ...], TableMetadata]]], ...] = (
        (_VOPARQUET, lambda content: described_table(content, limits)),
        (_ASTROPY, _astropy_table),
    )
    for key, read in readers:
        if key in stored:
            try:
                with translated("metadata"):
                    return read(stored[key])
            except (TableError, LimitError):
                continue
    return (), TableMetadata()


def _astropy_table(content: bytes) -> tuple[tuple[Column, ...], TableMetadata]:
    header = load_header(content.decode(errors="replace"))
    return read_columns(header), read_metadata(header)


def _merge(columns: tuple[Column, ...], described: tuple[Column, ...]) -> tuple[Column, ...]:
    """Add to the columns what is described of the same names; the type only where it is stored the same way."""
    by_name = {column.name: column for column in described}
    merged = []
    for column in columns:
        found = by_name.get(column.name)
        if found is None:
            merged.append(column)
        elif found.arrow_type == column.arrow_type:
            merged.append(found)
        else:
            described_only = {key: getattr(found, key) for key in ("unit", "ucd", "utype", "description")}
            merged.append(replace(column, **described_only))
    return tuple(merged)


def _canonical(array: pa.Array, column: Column, row: int) -> pa.Array:
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if column.is_array:
        return _flat(array, column, row)
    array = _scalars(array, column, column.arrow_type, row)
    if pa.types.is_string(array.type):
        check_width(array, column, row)
        return checked_text(array, column)
    return array


def _scalars(array: pa.Array, column: Column, kind: pa.DataType, row: int) -> pa.Array:
    if pa.types.is_uint64(array.type) and pc.any(pc.greater_equal(array, _TOO_LARGE)).as_py():
        at = pc.index(pc.greater_equal(array, _TOO_LARGE), True).as_py()
        raise TableError(
            f"Column {column.name!r}, row {row + at + 1}: {array[at]} is more than a long holds, 2^63 - 1."
        )
    # Nanoseconds lose what a timestamp here cannot hold, below a microsecond; nothing else may lose anything.
    lossy = pa.types.is_timestamp(array.type) and array.type.unit == "ns"
    try:
        return array.cast(kind, safe=not lossy)
    except pa.ArrowException as error:
        raise TableError(f"Column {column.name!r} does not fit into {column.datatype}: {error}.") from error


def _flat(array: pa.Array, column: Column, row: int) -> pa.Array:
    """Return lists, perhaps of lists of a fixed length, as lists of their elements."""
    absent = array.is_null()
    if pa.types.is_fixed_size_list(array.type):
        counts = np.where(absent.to_numpy(zero_copy_only=False), 0, array.type.list_size)
    else:
        counts = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    values = array.flatten()
    while pa.types.is_fixed_size_list(values.type):
        if values.null_count:
            raise TableError(f"Column {column.name!r} has an array in which a whole part is null.")
        counts = counts * values.type.list_size
        values = values.flatten()
    wrong = (counts != column.length) & ~absent.to_numpy(zero_copy_only=False)
    if column.length is not None and wrong.any():
        at = int(wrong.argmax())
        raise TableError(
            f"Column {column.name!r}, row {row + at + 1}: an array of {counts[at]} numbers, "
            f"but arraysize={column.arraysize!r} of {column.datatype} means {column.length}."
        )
    offsets = np.zeros(len(array) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    elements = _scalars(values, column, column.arrow_type.value_type, row)
    mask = absent if array.null_count else None
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), elements, mask=mask)
