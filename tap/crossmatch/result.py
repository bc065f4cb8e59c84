"""The table that comes out: its columns, and its rows put together from those of both sides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from tap.crossmatch.kernel import Pairs
from tap.crossmatch.rows import RowsFile
from tap.crossmatch.separations import Floats, Integers
from vo.core.tables import Column, Datatype

SEPARATION = Column(
    "separation",
    Datatype.DOUBLE,
    unit="arcsec",
    ucd="pos.angDistance",
    description="Angle between the positions of the two rows that were compared",
)
POSITION_ANGLE = Column(
    "position_angle",
    Datatype.DOUBLE,
    unit="deg",
    ucd="pos.posAng",
    description="Direction from the first to the second position, north through east; empty where both are the same",
)
BATCH_BYTES = 4 << 20
"""Size of batches, on the average of all rows."""
WIDEST_BYTES = 8 << 20
"""Size of batches all of whose rows are like the widest of all, which may be in many pairs."""


def paired(first: Sequence[Column], second: Sequence[Column]) -> tuple[Column, ...]:
    """Return the columns of a table of pairs; names that clash end with _1 and _2."""
    ours = (SEPARATION, POSITION_ANGLE)
    sides = [[column.name.lower() for column in side] for side in (first, second)]
    taken = {column.name for column in ours}
    clashing = (set(sides[0]) & set(sides[1])) | ((set(sides[0]) | set(sides[1])) & taken)
    plain = {name for names in sides for name in names if name not in clashing} | taken
    result = []
    for number, side in enumerate((first, second), start=1):
        for column in side:
            name = column.name
            if name.lower() in clashing:
                name = f"{column.name}_{number}"
                while name.lower() in plain:
                    name = f"{name}_{number}"
                plain.add(name.lower())
            result.append(replace(column, name=name, ucd=column.ucd if number == 1 else _not_main(column.ucd)))
    return (*result, *ours)


def _not_main(ucd: str | None) -> str | None:
    """Return a UCD without its claim to be the table's main one: that is the first side's."""
    if ucd is None:
        return None
    return ";".join(word for word in ucd.split(";") if word.strip().lower() != "meta.main") or None


def pairs_batches(pairs: Pairs, first: RowsFile, second: RowsFile) -> Iterator[pa.RecordBatch]:
    """Yield the rows of the result for pairs."""
    step = rows_at_once(first, second)
    for start in range(0, len(pairs), step):
        some = pairs[slice(start, start + step)]
        yield pair_batch(first.take(some.first), second.take(some.second), some.distance, some.angle)


def pair_batch(first: list[pa.Array], second: list[pa.Array], distance: Floats, angle: Floats) -> pa.RecordBatch:
    """Return rows of the result, whose columns are there already."""
    last = [pa.array(distance), pa.array(angle, mask=np.isnan(angle))]
    return _batch([*first, *second, *last])


def rows_batches(rows: Integers, first: RowsFile) -> Iterator[pa.RecordBatch]:
    """Yield rows of the first side alone."""
    step = rows_at_once(first)
    for start in range(0, len(rows), step):
        yield _batch(first.take(rows[start : start + step]))


def rows_at_once(*files: RowsFile) -> int:
    """Return how many rows of files make a batch."""
    average, widest = sum(file.row_bytes for file in files), sum(file.widest for file in files)
    return max(1, int(min(BATCH_BYTES / (average + 16), WIDEST_BYTES / max(1, widest))))


def _batch(columns: list[pa.Array]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(columns, names=[str(number) for number in range(len(columns))])
