"""Pairs of rows that are near each other, found by the index on the sky of a published table."""

# ruff: noqa: S608  (names come from the catalogue)
from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tap.adql.types import identifier
from tap.selection.choosing import Whole, written
from tap.selection.sent import SentTables
from tap.selection.spool import Spool
from tap.selection.statements import Statements, canonical
from tap.upload.models import INLINE, SCHEMA, Upload
from vo.core.scratch import free_scratch
from vo.core.tables import Column, Datatype, schema_of

FIRST_ROW = Column("first_row", Datatype.LONG, description="Number of the row of the first table, from 0")
_RA = Column("ra", Datatype.DOUBLE, unit="deg", ucd="pos.eq.ra;meta.main")
_DEC = Column("dec", Datatype.DOUBLE, unit="deg", ucd="pos.eq.dec;meta.main")
_LOOKED_FOR = "looked_for"
_WIDER = (1 + 1e-9, 1e-9)
"""What the radius is multiplied by, and the degrees that are added: rounding must not lose a pair."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    file_name: str | None = f"{_LOOKED_FOR}.arrow"
    media_type: str | None = None


@dataclass(frozen=True)
class Side:
    """The rows whose neighbours are looked for.

    Attributes
    ----------
    batches : iterable of pyarrow.RecordBatch
        In the columns `read`.
    read : tuple of Column
        What is read of them.
    kept : tuple of int
        Places in `read` of the columns that pairs have.
    position : callable
        Gives the right ascension and declination of a batch in degrees, NaN where they are unknown.
    """

    batches: Iterable[pa.RecordBatch]
    read: tuple[Column, ...]
    kept: tuple[int, ...]
    position: Callable[[pa.RecordBatch], tuple[Floats, Floats]]


def pairs(
    side: Side,
    table: Whole,
    columns: Sequence[int],
    *,
    described: tuple[Column, ...],
    radius: float,
    statements: Statements,
    sent: SentTables,
) -> Generator[pa.RecordBatch, None, None]:
    """Yield pairs: the columns of the one side, those of the table, the number of the row on the one side.

    Parameters
    ----------
    side : Side
        The rows whose neighbours are looked for.
    table : Whole
        Where they are looked for; it has a position.
    columns : sequence of int
        Places of the columns of `table` that pairs have.
    described : tuple of Column
        All columns of the pairs.
    radius : float
        Largest distance in degrees; pairs a trifle farther apart are given too.
    statements : Statements
        The database.
    sent : SentTables
        Loads the positions.
    """
    schema = schema_of(described)
    with ExitStack() as stack:
        rows = stack.enter_context(closing(Spool(sent.folder, schema_of(side.read[place] for place in side.kept))))
        places = stack.enter_context(closing(Spool(sent.folder, schema_of((FIRST_ROW, _RA, _DEC)))))
        _spool(side, rows, places, sent)
        if not places.rows:
            return
        upload = Upload(_LOOKED_FOR, f"{INLINE}{_LOOKED_FOR}")
        uploaded = stack.enter_context(closing(sent.load([upload], {_LOOKED_FOR: _File(places.path)})))
        query = _query(table, columns, radius)
        read = statements.translated(query, uploaded).columns
        stream = statements.begin(query, described=read, uploaded=uploaded)
        stack.callback(statements.end, stream)
        for batch in canonical(stream, read):
            sent.check()
            first = batch.column(0)
            arrays = [*rows.take(first.to_numpy()), *batch.columns[1:], first]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        sent.check()


def _spool(side: Side, rows: Spool, places: Spool, sent: SentTables) -> None:
    """Keep the rows and, by their numbers, the positions that are on the sky."""
    schema = schema_of((FIRST_ROW, _RA, _DEC))
    for batch in side.batches:
        sent.check()
        ra, dec = side.position(batch)
        with np.errstate(invalid="ignore"):
            known = np.isfinite(ra) & (np.abs(dec) <= 90.0)
        numbers = rows.rows + np.flatnonzero(known)
        ra, dec = np.mod(ra[known], 360.0), dec[known]
        places.add(pa.RecordBatch.from_arrays([pa.array(numbers), pa.array(ra), pa.array(dec)], schema=schema))
        if rows.add(batch.select(list(side.kept))):
            sent.check_disk(free_scratch())
    rows.finish()
    places.finish()


def _query(table: Whole, columns: Sequence[int], radius: float) -> str:
    """Write the query; what it names is in the catalogue."""
    if table.position is None:
        raise RuntimeError(f"{table.table} has no index on the sky")
    ra, dec = (identifier(table.columns[place]) for place in table.position)
    listed = "".join(f", t.{identifier(table.columns[place])}" for place in columns)
    reach = min(180.0, radius * _WIDER[0] + _WIDER[1])
    return (
        f"SELECT s.first_row{listed} FROM {SCHEMA}.{_LOOKED_FOR} AS s JOIN {written(table.table)} AS t "
        f"ON DISTANCE(s.ra, s.dec, t.{ra}, t.{dec}) <= {reach!r}"
    )
