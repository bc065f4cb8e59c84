"""What all tasks on BP/RP spectra share: the way from rows to results, by our kernels or by GaiaXPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from functools import cache
from typing import ClassVar, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gaia.engines import Engine, installed, ran
from gaia.releases import DR3
from gaia.tasks.pieces import each_done
from gaia.tasks.spectra_columns import SOURCE_ID
from gaia.tasks.spectra_input import BANDS, INPUT, Chunk, bands_of, chunks, needed_roles, useful_roles
from gaia.xp.model import MODELS, XpModel, load
from gaia.xp.spectra import Spectra
from uws.tasks import (
    Input,
    Plan,
    Recovery,
    Reference,
    Rows,
    SelectionFacts,
    Task,
    TaskContext,
    TaskParameters,
    parameter,
)
from uws.tasks.kept import kept_places
from uws.tasks.resuming import RowsDone
from vo.core.errors import ParameterError
from vo.core.tables import Column

PACKAGE = "GaiaXPy"
KERNELS = "1.0"
"""Version of our kernels of BP/RP spectra."""
REFERENCES: tuple[Reference, ...] = (
    Reference("De Angeli et al. 2023, Gaia DR3: processing and validation of BP/RP low-resolution spectral data", "https://doi.org/10.1051/0004-6361/202243680"),
    Reference("Montegriffo et al. 2023, Gaia DR3: external calibration of BP/RP low-resolution spectroscopic data", "https://doi.org/10.1051/0004-6361/202243880"),
    Reference("GaiaXPy", "https://gaiaxpy.readthedocs.io"),
)  # fmt: skip

MOST_POINTS = 10_000
CORRELATED_POINTS = 1_000
"""Most points of a grid; and of one whose correlations are wanted, which are its square."""
WORK_ROWS, WORK_BYTES = 500, 32 << 20
"""Sources of a piece of work, fewer where each has much to tell."""

Done = TypeVar("Done")


class SpectraParameters(TaskParameters):
    """Parameters of all tasks on BP/RP spectra."""

    truncation: bool = parameter(
        False, description="Use only the bases that are relevant (n_relevant_bases), for each source its own number."
    )
    columns: tuple[str, ...] = parameter(
        (), description="Columns of the input that are wanted in the result, besides source_id."
    )
    engine: Engine = parameter(
        Engine.BATCH,
        description="batch: our kernels, many sources at once. package: GaiaXPy itself, in a process of its own. Both "
        "give the same numbers.",
    )


class Form(Enum):
    """What a row of the result is."""

    SPECTRUM = "spectrum"
    SAMPLE = "sample"


def work_rows(points: int, *, correlated: bool) -> int:
    """Return how many sources make a piece of work, when each has so many points."""
    return max(1, min(WORK_ROWS, WORK_BYTES // (8 * points * (points + 3 if correlated else 3))))


S = TypeVar("S", bound=SpectraParameters)


class SpectraTask(Task[S]):
    """What is the same in all tasks on BP/RP spectra."""

    references: ClassVar[tuple[Reference, ...]] = REFERENCES
    inputs = (INPUT,)
    recovery = Recovery.RESUME

    def facts(self, parameters: S) -> Mapping[str, str]:  # noqa: ARG002
        """Tell the release."""
        return DR3.facts()


def planned(
    facts: SelectionFacts, parameters: SpectraParameters, *, errors: bool, rate: float, rows_each: int = 1
) -> Plan:
    """Plan a run.

    Parameters
    ----------
    facts : SelectionFacts
        Of the spectra.
    parameters : SpectraParameters
        As given.
    errors : bool
        Whether errors of the coefficients are needed.
    rate : float
        Sources a second.
    rows_each : int
        Rows of the result for each source.

    Raises
    ------
    ParameterError
        If a column is missing.
    """
    bands = bands_of(facts.recognised)
    for role in needed_roles(bands or BANDS, errors=errors, truncation=parameters.truncation):
        if role not in facts.recognised:
            raise ParameterError(
                INPUT.parameter(role),
                f"no column of {facts.source} is known to be {role}.",
                hint="Errors are computed from the errors and correlations of the coefficients, truncation takes "
                "n_relevant_bases; name the column with this parameter.",
            )
    roles = _read_roles(bands, errors=errors, truncation=parameters.truncation)
    kept = kept_places(facts.columns, parameters.columns, "COLUMNS") if parameters.columns else ()
    names = [facts.recognised.name(role) for role in roles] + [facts.columns[place].name for place in kept]
    wanted = {name for name in names if name is not None}
    engine = f"{PACKAGE} {installed(PACKAGE)}" if parameters.engine is Engine.PACKAGE else "the batch kernel"
    return Plan(
        {"": Rows("", tuple(column.name for column in facts.columns if column.name in wanted), stored_order=True)},
        seconds=None if facts.rows is None else facts.rows / rate,
        rows=None if facts.rows is None else facts.rows * rows_each,
        explanation=f"Spectra of {facts.source}, by {engine}."
        + "".join(f" It has no coefficients of {band.upper()}." for band in BANDS if band not in bands),
    )


def _read_roles(bands: Sequence[str], *, errors: bool, truncation: bool) -> tuple[str, ...]:
    return needed_roles(bands, errors=errors, truncation=truncation) + useful_roles(bands, errors=errors)


def kept_columns(columns: Sequence[Column], parameters: SpectraParameters) -> tuple[int, ...]:
    """Return the places of the columns that come into the result as they are; the first is that of source_id."""
    own = [place for place, column in enumerate(columns) if column.name.lower() == "source_id"]
    wanted = kept_places(columns, parameters.columns, "COLUMNS") if parameters.columns else ()
    return tuple(place for place in wanted if place not in own)


@cache
def model() -> XpModel:
    """Return the calibration, read once in each process."""
    return load()


def made_by(parameters: SpectraParameters) -> dict[str, str]:
    """Return what results say of the engine and the calibration, by names of INFOs."""
    calibration = f"BP {MODELS['bp']}, RP {MODELS['rp']}, as distributed with {PACKAGE} {installed(PACKAGE)}"
    return ran(parameters.engine, PACKAGE, KERNELS) | {"calibration": calibration}


def computed(
    given: Input,
    parameters: SpectraParameters,
    context: TaskContext,
    function: Callable[[Spectra], Done],
    *,
    errors: bool,
    rows: int,
    resumable: bool = True,
) -> Iterator[tuple[Chunk, Done]]:
    """Yield the input's rows with what was computed from them, so many rows at a time, in their order.

    Counts, facts about the run and progress are told on the way, and checkpoints are made.

    Parameters
    ----------
    given : Input
        The spectra.
    parameters : SpectraParameters
        As given.
    context : TaskContext
        Where it is told.
    function : callable
        What computes; it is sent to other processes.
    errors : bool
        Whether errors of the coefficients are needed.
    rows : int
        Of each piece of work.
    resumable : bool
        Whether the run can go on from a checkpoint: not if it makes a file of all rows.
    """
    for name, value in made_by(parameters).items():
        context.info(name, value)
    roles = _read_roles(bands_of(given.recognised), errors=errors, truncation=parameters.truncation)
    done = RowsDone(context.checkpoint, given.recognised.found["source_id"].name)
    left = replace(given, batches=done.left(given.batches)) if resumable else given
    work = chunks(left, kept_columns(given.columns, parameters), roles, rows)
    pairs = ((chunk, chunk.spectra) for chunk in work)
    count = 0
    for chunk, made in each_done(pairs, function, context, elsewhere=parameters.engine is Engine.PACKAGE):
        yield chunk, made
        context.count(requested=chunk.requested, found=len(chunk.spectra), failed=chunk.failed)
        for band in BANDS:
            missing = int(np.count_nonzero(~getattr(chunk.spectra, band).present))
            done.tally[band] = done.tally.get(band, 0) + missing
            context.info(f"without_{band}", str(done.tally[band]))
        count += chunk.requested
        if given.rows:
            context.progress(fraction=(done.resumed + count) / given.rows)
        if resumable:
            done.add(chunk.requested)


def result_columns(kept: Sequence[Column], own: Sequence[Column]) -> tuple[Column, ...]:
    """Return source_id, the columns that are kept (renamed where a name is taken), and the computed ones."""
    taken = {column.name.lower() for column in own} | {"source_id"}
    named = []
    for column in kept:
        name = column.name
        while name.lower() in taken:
            name += "_1"
        taken.add(name.lower())
        named.append(replace(column, name=name))
    return (SOURCE_ID, *named, *own)


def result_batch(chunk: Chunk, own: Sequence[pa.Array], rows: NDArray[np.int64] | None = None) -> pa.RecordBatch:
    """Return rows of the result: the columns of a chunk's rows, of all or of `rows`, and the computed ones."""
    common = [pa.array(chunk.spectra.source_id), *chunk.kept]
    if rows is not None:
        common = [column.take(pa.array(rows)) for column in common]
    columns = [*common, *own]
    return pa.RecordBatch.from_arrays(columns, names=[str(number) for number in range(len(columns))])


def arrays(values: NDArray[np.float64]) -> pa.Array:
    """Return the rows of a matrix, or of more dimensions, as arrays."""
    width = int(np.prod(values.shape[1:]))
    offsets = np.arange(len(values) + 1, dtype=np.int32) * width
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.reshape(-1)))


def numbers(values: NDArray[np.float64]) -> pa.Array:
    """Return numbers, unknown where they are NaN."""
    return pa.array(values, mask=np.isnan(values))
