"""The task ``crossmatch``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from functools import partial

import numpy as np
import pyarrow as pa

from tap.crossmatch.kernel import Radii
from tap.crossmatch.neighbours import PAIRS, Found, second_columns
from tap.crossmatch.parameters import INPUTS, CrossmatchParameters, Mode
from tap.crossmatch.places import forget
from tap.crossmatch.planning import planned
from tap.crossmatch.result import POSITION_ANGLE, SEPARATION, paired, pairs_batches, rows_batches
from tap.crossmatch.sides import Side, SideRules, read_side
from tap.crossmatch.stacks import greedy_among_stacks, stacked
from tap.crossmatch.streaming import Piece, Sizes, each_matched, overflowing, pieces, sizes_for
from tap.crossmatch.symmetric import SymmetricMatch, greedy
from uws.tasks import Input, Output, Plan, Reference, SelectionFacts, Task, TaskContext, TaskOutput
from uws.tasks.kept import kept_places
from vo.core.tables import Column, schema_of

FOR_SORTING = 8
"""Part of the memory with which each side is sorted."""
TELL_EVERY = 0.5
"""Seconds between two words on how much has been read."""


class Crossmatch(Task[CrossmatchParameters]):
    """Which rows of two tables are near each other on the sky."""

    name = "crossmatch"
    title = "Cross-match of two tables by position"
    description = (
        "Finds the rows of two tables that are near each other on the sky.\n\n"
        "The radius is one for all rows, or each row has its own (RADIUS_1, RADIUS_2 name the columns; a pair is no "
        "farther apart than their sum), or it follows from the errors of the positions (SIGMA). Positions of different "
        "epochs are brought to a common one with EPOCH, where proper motions are known.\n\n"
        "The result has the columns of both tables, the separation in arcsec and the position angle. Of equally near "
        "rows the earlier one is taken. Rows without a position have no pair."
    )
    references = (
        Reference("Taylor 2006, STILTS: a package for command-line processing of tabular data", "https://ascl.net/1105.001"),
        Reference("Koposov & Bartunov 2006, Q3C, quad tree cube", "https://ascl.net/1905.008"),
        Reference("The Hipparcos and Tycho Catalogues, section 1.5.5: epoch propagation", "https://www.cosmos.esa.int/web/hipparcos/catalogues"),
    )  # fmt: skip
    parameters = CrossmatchParameters
    inputs = INPUTS
    outputs = (TaskOutput("result", "Matched rows", columns=(SEPARATION, POSITION_ANGLE)),)
    examples = (
        {"TABLE_1": "hipparcos.hip2", "TABLE_2": "gaia_dr3.bright", "EPOCH": "2016", "EPOCH_1": "1991.25"},
        {
            "QUERY_1": "SELECT hip, ra, dec FROM hipparcos.hip2 WHERE plx > 50",
            "TABLE_2": "gaia_dr3.bright",
            "RADIUS": "20",
            "MODE": "all",
            "COLUMNS_2": "source_id,phot_g_mean_mag",
        },
    )
    preload = ("scipy.spatial", "scipy.sparse.csgraph")

    def plan(self, selections: Mapping[str, SelectionFacts], parameters: CrossmatchParameters) -> Plan:
        """Check what the parameters ask of the tables, and choose the quicker engine."""
        return planned(selections, parameters)

    def columns(
        self,
        inputs: Mapping[str, tuple[Column, ...]],
        parameters: CrossmatchParameters,
        plan: Plan,  # noqa: ARG002
    ) -> Mapping[str, tuple[Column, ...]]:
        """Return the wanted columns of both tables, and ours."""
        first, second = _wanted(inputs, parameters)
        return {"result": first if parameters.mode is Mode.UNMATCHED else paired(first, second)}

    def run(
        self, inputs: Mapping[str, Input], parameters: CrossmatchParameters, context: TaskContext
    ) -> Iterator[pa.RecordBatch | Output]:
        """Match."""
        try:
            yield from (_from_index if PAIRS in inputs else _from_both)(inputs, parameters, context)
        finally:
            forget()


def _wanted(
    inputs: Mapping[str, tuple[Column, ...]], parameters: CrossmatchParameters
) -> tuple[tuple[Column, ...], tuple[Column, ...]]:
    """Return the columns of both sides that come into the result."""
    seconds = second_columns(inputs[PAIRS]) if PAIRS in inputs else inputs["2"]
    return (
        tuple(inputs["1"][place] for place in kept_places(inputs["1"], parameters.columns_1, "COLUMNS_1")),
        tuple(seconds[place] for place in kept_places(seconds, parameters.columns_2, "COLUMNS_2")),
    )


def _rules(given: Input, parameters: CrossmatchParameters, side: str, radii: Radii) -> SideRules:
    kept: tuple[int, ...] = ()
    if side == "1" or parameters.mode is not Mode.UNMATCHED:
        kept = kept_places(given.columns, parameters.wanted_columns(side), f"COLUMNS_{side}")
    return SideRules(
        recognised=given.recognised,
        kept=kept,
        epoch=parameters.epoch,
        own_epoch=parameters.own_epoch(side),
        radii=radii,
        sigma=parameters.sigma or 1.0,
        widest=parameters.radius,
    )


class _Counted:
    """Batches that count their rows while they are read in another thread."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self.rows = 0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self._batches:
            self.rows += batch.num_rows
            yield batch


def _read(given: Input, batches: Iterable[pa.RecordBatch], rules: SideRules, side: str, context: TaskContext) -> Side:
    return read_side(
        batches,
        schema_of(given.columns),
        rules,
        folder=context.scratch,
        name=f"side-{side}",
        memory=context.memory // FOR_SORTING,
    )


def _read_both(
    inputs: Mapping[str, Input], parameters: CrossmatchParameters, radii: Radii, context: TaskContext
) -> tuple[Side, Side]:
    """Read both sides at the same time: each is made by a process of the database of its own."""
    counted = {name: _Counted(inputs[name].batches) for name in ("1", "2")}
    with ThreadPoolExecutor(2) as threads:
        reading = [
            threads.submit(_read, inputs[name], batches, _rules(inputs[name], parameters, name, radii), name, context)
            for name, batches in counted.items()
        ]
        while wait(reading, TELL_EVERY).not_done:
            rows = sum(batches.rows for batches in counted.values())
            context.progress(stage=f"reads both tables: {rows:,} rows")
        first, second = (each.result() for each in reading)
    return first, second


def _tell_side(side: Side, context: TaskContext) -> None:
    context.count(requested=side.rows, failed=side.failed)


# ---- both sides are read --------------------------------------------------------------------------------------------


def _from_both(
    inputs: Mapping[str, Input], parameters: CrossmatchParameters, context: TaskContext
) -> Iterator[pa.RecordBatch]:
    radii = radii_of(inputs, parameters)
    context.info("engine", "both tables were read")
    context.progress(fraction=0.0, stage="reads both tables")
    first, second = _read_both(inputs, parameters, radii, context)
    _tell_side(first, context)
    if second.failed:
        reasons = ", ".join(f"{count} with {reason}" for reason, count in second.failed.items())
        context.info("second_table", f"rows that can match nothing: {reasons}")
    if shortened := first.shortened + second.shortened:
        context.info("radius", f"{shortened} rows have larger radii of their own than {parameters.radius:g} arcsec")
    context.progress(fraction=0.5, stage="matches")
    rule = parameters.rule(radii)
    sizes = sizes_for(first.rows + second.rows, rule.nearest, context)
    work = pieces(first.layers, second.layers, rule, sizes)
    match parameters.mode:
        case Mode.UNMATCHED:
            yield from _unmatched(work, first, second, context)
        case Mode.SYMMETRIC:
            yield from _symmetric(work, first, second, context)
        case _:
            yield from _pairs(work, first, second, context)


def radii_of(inputs: Mapping[str, Input] | Mapping[str, SelectionFacts], parameters: CrossmatchParameters) -> Radii:
    """Return whether rows have radii of their own."""
    if parameters.sigma is not None:
        return Radii.QUADRATURE
    named = any("radius" in each.recognised for each in inputs.values())
    return Radii.SUM if named else Radii.CONSTANT


def _pairs(work: list[Piece], first: Side, second: Side, context: TaskContext) -> Iterator[pa.RecordBatch]:
    with closing(each_matched(work, first.rows + second.rows, context)) as found:  # type: ignore[type-var]
        for piece, each in found:
            if each.complete:
                context.count(found=_distinct(each.pairs.first))
                yield from pairs_batches(each.pairs, first.kept, second.kept)
                continue
            rows = np.sort(each.rows)
            seen = np.zeros(len(rows), bool)
            for pairs in overflowing(piece):
                seen[np.searchsorted(rows, pairs.first)] = True
                yield from pairs_batches(pairs, first.kept, second.kept)
            context.count(found=int(np.count_nonzero(seen)))


def _unmatched(work: list[Piece], first: Side, second: Side, context: TaskContext) -> Iterator[pa.RecordBatch]:
    with closing(each_matched(work, first.rows + second.rows, context)) as found:  # type: ignore[type-var]
        for _, each in found:
            context.count(found=_distinct(each.pairs.first))
            yield from rows_batches(each.rows[~np.isin(each.rows, each.pairs.first)], first.kept)
    yield from rows_batches(first.nowhere, first.kept)


def _symmetric(work: list[Piece], first: Side, second: Side, context: TaskContext) -> Iterator[pa.RecordBatch]:
    """Decide between rows; where they crowd, between stacks of rows at one place."""
    folder, memory = context.scratch, context.memory // FOR_SORTING
    with closing(SymmetricMatch(folder, second.rows, context.memory // 4, greedy)) as deciding:
        if _add_all(work, first.rows + second.rows, deciding, context):
            yield from _decided(deciding, first, second, context)
            return
    forget()
    stacks = [stacked(side.layers, folder, f"stacks-{name}", memory) for name, side in (("1", first), ("2", second))]
    sizes = Sizes(work[0].stop - work[0].start, work[0].most)
    again = pieces(stacks[0].layers, stacks[1].layers, work[0].rule, sizes)
    choose = partial(greedy_among_stacks, first=stacks[0], second=stacks[1])
    with closing(SymmetricMatch(folder, stacks[1].count, context.memory // 4, choose)) as deciding:
        _add_all(again, first.rows + second.rows, deciding, context, stacked=True)
        yield from _decided(deciding, first, second, context)


def _add_all(
    work: list[Piece], rows: int, deciding: SymmetricMatch, context: TaskContext, *, stacked: bool = False
) -> bool:
    """Give all pairs to who decides; false if rows crowd so much that it is better begun again with stacks."""
    with closing(each_matched(work, rows, context)) as found:  # type: ignore[type-var]
        for piece, each in found:
            if not each.complete and not stacked:
                return False
            deciding.add(each.pairs if each.complete else deciding.held(overflowing(piece)))
    return True


def _decided(deciding: SymmetricMatch, first: Side, second: Side, context: TaskContext) -> Iterator[pa.RecordBatch]:
    for pairs in deciding.decided():
        context.count(found=len(pairs))
        yield from pairs_batches(pairs, first.kept, second.kept)


def _distinct(ordered: np.ndarray[tuple[int], np.dtype[np.int64]]) -> int:
    """Return how many different rows there are; equal ones stand together."""
    return int(np.count_nonzero(ordered[1:] != ordered[:-1])) + 1 if len(ordered) else 0


# ---- the database finds the pairs -----------------------------------------------------------------------------------


def _from_index(
    inputs: Mapping[str, Input], parameters: CrossmatchParameters, context: TaskContext
) -> Iterator[pa.RecordBatch]:
    context.info("engine", "the database's index")
    context.progress(fraction=0.0, stage="reads the first table")
    rules = _rules(inputs["1"], parameters, "1", Radii.CONSTANT)
    side = _read(inputs["1"], inputs["1"].batches, rules, "1", context)
    _tell_side(side, context)
    context.progress(fraction=0.2, stage="looks up the pairs")
    found = Found(inputs[PAIRS], side, parameters.rule(Radii.CONSTANT), context.scratch)
    kept = kept_places(second_columns(inputs[PAIRS].columns), parameters.columns_2, "COLUMNS_2")
    match parameters.mode:
        case Mode.ALL:
            yield from found.all(kept)
        case Mode.UNMATCHED:
            yield from found.unmatched()
        case _:
            yield from found.nearest(kept, context.memory // 2)
    context.count(found=int(np.count_nonzero(found.matched)))
