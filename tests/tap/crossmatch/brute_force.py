"""The cross-match by comparing everything with everything, and the small sizes that make the real one cut its work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import numpy as np
import pyarrow as pa

from tap.crossmatch import neighbours, ordering, places, streaming
from tap.crossmatch.parameters import CrossmatchParameters, Mode
from tap.crossmatch.separations import separation
from tap.crossmatch.streaming import Sizes
from tap.crossmatch.task import Crossmatch
from uws.tasks.testing import Ran, run_inline

Places = Sequence[tuple[float | None, float | None]]
Pair = tuple[int, int]


def table(where: Places, **columns: Sequence[float | None]) -> pa.Table:
    """Make a table with positions and numbers of rows."""
    arrays = {
        "id": pa.array(range(len(where)), pa.int64()),
        "ra": pa.array([ra for ra, _ in where], pa.float64()),
        "dec": pa.array([dec for _, dec in where], pa.float64()),
    }
    return pa.table({**arrays, **{name: pa.array(values, pa.float64()) for name, values in columns.items()}})


@contextmanager
def tiny_pieces() -> Iterator[None]:
    """Have the match cut and sort as if it were large, with a few rows at a time."""
    with ExitStack() as stack:
        for module, name, value in (
            (places, "BLOCK", 4),
            (ordering, "BLOCK", 4),
            (ordering, "SLICE", 8),
            (ordering, "KEY_BYTES", 2**24),
            (places, "SLICE", 8),
            (ordering, "FEW_BLOCKS", 0),
            (ordering, "COVERED", 0.0),
            (neighbours, "SLICE", 8),
            (streaming, "WORTH_PROCESSES", 0),
        ):
            stack.enter_context(patch.object(module, name, value))
        stack.enter_context(patch.object(Sizes, "within", classmethod(lambda *_: Sizes(7, 24))))
        yield


def match(
    first: pa.Table,
    second: pa.Table,
    parameters: CrossmatchParameters,
    *,
    named: Mapping[str, Mapping[str, str]] | None = None,
) -> Ran:
    """Run the task."""
    return run_inline(Crossmatch(), {"1": first, "2": second}, parameters, named=named, batch_rows=5)


def pairs_of(ran: Ran) -> list[Pair]:
    """Return the pairs of a result, in its order."""
    return list(zip(ran.table["id_1"].to_pylist(), ran.table["id_2"].to_pylist(), strict=True))


def expected(
    first: pa.Table, second: pa.Table, parameters: CrossmatchParameters, reach: np.ndarray | None = None
) -> list[Pair]:
    """Return the pairs that there should be; of unmatched rows, each with itself.

    `reach` is the largest distance of each pair, where rows have radii of their own.
    """
    (ra_1, dec_1), (ra_2, dec_2) = (_places(side) for side in (first, second))
    with np.errstate(invalid="ignore"):
        distance = separation(*(a.ravel() for a in np.broadcast_arrays(ra_1[:, None], dec_1[:, None], ra_2, dec_2)))
        distance = distance.reshape(len(ra_1), len(ra_2))
        near = distance <= (parameters.radius if reach is None else np.minimum(parameters.radius, reach))
    ordered = sorted((distance[i, j], int(j), int(i)) for i, j in zip(*np.nonzero(near), strict=True))
    match parameters.mode:
        case Mode.ALL:
            return sorted((i, j) for _, j, i in ordered)
        case Mode.UNMATCHED:
            return [(int(i), int(i)) for i in np.flatnonzero(~near.any(axis=1))]
        case Mode.SYMMETRIC:
            return sorted(_greedy(ordered, 1))
        case _:
            return sorted(_each(ordered, parameters.k or 1))


def _places(side: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    ra, dec = (side[name].fill_null(np.nan).to_numpy() for name in ("ra", "dec"))
    bad = ~(np.isfinite(ra) & (np.abs(dec) <= 90))
    return np.fmod(np.where(bad, np.nan, ra), 360.0), np.where(bad, np.nan, dec)


def _greedy(ordered: list[tuple[float, int, int]], most: int) -> list[Pair]:
    firsts: set[int] = set()
    seconds: set[int] = set()
    pairs = []
    for _, j, i in ordered:
        if i not in firsts and j not in seconds:
            pairs.append((i, j))
            firsts.add(i)
            seconds.add(j)
    return pairs


def _each(ordered: list[tuple[float, int, int]], most: int) -> list[Pair]:
    taken: dict[int, int] = {}
    pairs = []
    for _, j, i in ordered:
        if taken.get(i, 0) < most:
            taken[i] = taken.get(i, 0) + 1
            pairs.append((i, j))
    return pairs
