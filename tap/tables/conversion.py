"""From a file's batches to what PostgreSQL takes: types, units, nulls; all of it vectorised."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tap.tables.models import PlannedColumn
from vo.core.errors import TableError
from vo.core.tables import Datatype, TableStream


def database_schema(planned: list[PlannedColumn]) -> pa.Schema:
    """Return the Arrow schema that the driver is given: PostgreSQL has no unsigned byte."""
    return pa.schema([pa.field(item.column.name, _database_type(item)) for item in planned])


def _database_type(item: PlannedColumn) -> pa.DataType:
    if item.column.datatype is Datatype.UNSIGNED_BYTE:
        return pa.list_(pa.int16()) if item.column.is_array else pa.int16()
    return item.column.arrow_type


def convert(stream: TableStream, planned: list[PlannedColumn], *, nan_is_null: bool = True) -> Iterator[pa.RecordBatch]:
    """Yield the stream's batches as the database takes them.

    Parameters
    ----------
    stream : TableStream
        What comes.
    planned : list of PlannedColumn
        What becomes of it; what is seen of the content is noted there.
    nan_is_null : bool
        Whether floating-point scalars that are NaN become null, since PostgreSQL compares NaN as greater than every
        number.

    Raises
    ------
    TableError
        If a value does not fit its column's type.
    """
    schema = database_schema(planned)
    for batch in stream.batches:
        arrays = [
            _convert(batch.column(item.place), item, field.type, nan_is_null=nan_is_null)
            for item, field in zip(planned, schema, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def with_checked_positions(batches: Iterable[pa.RecordBatch], position: tuple[str, str]) -> Iterator[pa.RecordBatch]:
    """Yield batches in which a position without both coordinates is null as a whole.

    Raises
    ------
    TableError
        If a declination lies outside -90 to 90 degrees, or a coordinate is infinite.
    """
    done = 0
    for batch in batches:
        yield _check_position(batch, position, done)
        done += batch.num_rows


def _convert(array: pa.Array, item: PlannedColumn, wanted: pa.DataType, *, nan_is_null: bool) -> pa.Array:
    if array.type != wanted:
        try:
            array = pc.cast(array, wanted)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            reason = str(error).splitlines()[0]
            raise TableError(
                f"Column {item.query_name} does not fit its type {item.column.datatype}: {reason}."
            ) from None
    if item.factor != 1.0:
        array = pc.multiply(array, pa.scalar(item.factor, array.type))
    if pa.types.is_floating(array.type):
        nan = pc.is_nan(array)
        if pc.any(nan).as_py():
            item.has_nan = True
            array = array if not nan_is_null else pc.if_else(nan, pa.scalar(None, array.type), array)
    elif pa.types.is_list(array.type) and not pa.types.is_floating(array.type.value_type):
        if array.flatten().null_count:
            array = _wholly_unknown_as_null(array)
        if array.flatten().null_count:
            raise TableError(
                f"Column {item.query_name} has an array with an unknown element; {item.column.datatype} has none.",
                hint="Publish it as float or double, where NaN says it, or leave the whole array out.",
            )
    elif item.column.is_text and pa.types.is_string(array.type):
        item.ascii = item.ascii and is_ascii(array)
    return array


def _wholly_unknown_as_null(array: pa.ListArray) -> pa.ListArray:
    """Return an array whose cells of unknown elements alone are null: VOTable's BINARY has no other null for them."""
    whole = pa.concat_arrays([array]) if array.offset else array
    offsets = whole.offsets.to_numpy()
    unknown_before = np.append(0, np.cumsum(whole.values.is_null().to_numpy(zero_copy_only=False)))
    unknown, lengths = np.diff(unknown_before[offsets]), np.diff(offsets)
    null = whole.is_null().to_numpy(zero_copy_only=False) | ((unknown == lengths) & (lengths > 0))
    return pa.ListArray.from_arrays(whole.offsets, whole.values, type=whole.type, mask=pa.array(null))


def is_ascii(array: pa.StringArray) -> bool:
    """Whether all text of an array is ASCII."""
    data = array.buffers()[2]
    if data is None or len(array) == 0:
        return True
    offsets = np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + len(array) + 1]
    text = np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]]
    return not bool((text & 0x80).any())


def _check_position(batch: pa.RecordBatch, position: tuple[str, str], before: int) -> pa.RecordBatch:
    """Refuse impossible declinations and infinite values, which Q3C cannot index; null half positions."""
    places = [batch.schema.get_field_index(name) for name in position]
    ra, dec = (batch.column(place) for place in places)
    wrong = pc.or_kleene(pc.invert(pc.is_finite(ra)), pc.greater(pc.abs(dec), 90.0))
    wrong = pc.fill_null(wrong, False)
    if pc.any(wrong).as_py():
        row = pc.index(wrong, True).as_py()
        raise TableError(
            f"Row {before + row + 1} has the position {ra[row]}, {dec[row]}: "
            f"{position[0]} must be finite and {position[1]} within -90 to 90 degrees."
        )
    if ra.null_count != dec.null_count or (ra.null_count and not pc.is_null(ra).equals(pc.is_null(dec))):
        half = pc.or_(pc.is_null(ra), pc.is_null(dec))
        none = pa.scalar(None, pa.float64())
        for place, array in zip(places, (ra, dec), strict=True):
            batch = batch.set_column(place, batch.schema.field(place), pc.if_else(half, none, array))
    return batch
