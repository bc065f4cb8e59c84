"""BP/RP mean spectra as a task is given them: which columns they are, and rows as arrays of the kernels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gaia.xp.spectra import BASES, PAIRS, Band, Spectra
from uws.tasks import Input, Kind, Role, TaskInput
from uws.tasks.recognition import Recognised

BANDS = ("bp", "rp")
NEITHER = "neither BP nor RP"
WRONG = "not 55 numbers with their errors and correlations"
"""Reasons for which a source has no result."""


def _array(name: str, description: str) -> Role:
    return Role(name, description, names=(name,), kind=Kind.NUMBERS, required=False)


def _band(band: str) -> tuple[Role, ...]:
    title, deviation, relevant = band.upper(), f"{band}_standard_deviation", f"{band}_n_relevant_bases"
    return (
        _array(f"{band}_coefficients", f"coefficients of {title}"),
        _array(f"{band}_coefficient_errors", f"errors of the coefficients of {title}"),
        _array(f"{band}_coefficient_correlations", f"correlations of the coefficients of {title}"),
        Role(deviation, f"standard deviation of {title}", names=(deviation,), required=False),
        Role(relevant, f"relevant bases of {title}", names=(relevant,), kind=Kind.INTEGER, required=False),
    )


SOURCE_ID = Role("source_id", "source identifier", ("meta.id;meta.main",), ("source_id",), kind=Kind.INTEGER)
INPUT = TaskInput("", "table of BP/RP mean spectra", (SOURCE_ID, *_band("bp"), *_band("rp")))
"""Rows as those of the Gaia archive's xp_continuous_mean_spectrum."""


def bands_of(recognised: Recognised) -> tuple[str, ...]:
    """Return the bands that an input has; a file none of whose sources has one may have no column for it."""
    return tuple(band for band in BANDS if f"{band}_coefficients" in recognised)


def needed_roles(bands: Sequence[str], *, errors: bool, truncation: bool) -> tuple[str, ...]:
    """Return the roles that a computation with some bands cannot do without."""
    parts = ["coefficients"]
    if errors:
        parts += ["coefficient_errors", "coefficient_correlations"]
    if truncation:
        parts.append("n_relevant_bases")
    return ("source_id", *(f"{band}_{part}" for band in bands for part in parts))


def useful_roles(bands: Sequence[str], *, errors: bool) -> tuple[str, ...]:
    """Return the roles that are read where there are columns for them."""
    return tuple(f"{band}_standard_deviation" for band in bands) if errors else ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of the input.

    Attributes
    ----------
    spectra : Spectra
        Of the rows that have a spectrum.
    kept : list of pyarrow.Array
        The columns that come into the result, of the same rows.
    requested : int
        How many rows there were.
    failed : dict of str to int
        Rows without a spectrum, by reason.
    """

    spectra: Spectra
    kept: list[pa.Array]
    requested: int
    failed: dict[str, int]


def chunks(given: Input, kept: Sequence[int], roles: Sequence[str], rows: int) -> Iterator[Chunk]:
    """Yield the rows of an input, so many at a time.

    Parameters
    ----------
    given : Input
        With the roles of `INPUT`.
    kept : sequence of int
        Places of the columns that come into the result.
    roles : sequence of str
        Which roles are wanted; for others there are zeros.
    rows : int
        Rows of each chunk, fewer in the last one.
    """
    names = [column.name for column in given.columns]
    wanted = [role for role in roles if role in given.recognised]
    for batch in _gathered(given.batches, rows):
        named = batch.rename_columns(names)
        yield _chunk(named, [named.column(place) for place in kept], given.recognised, wanted)


def _gathered(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        while count + batch.num_rows >= rows:
            taken = rows - count
            yield pa.concat_batches([*waiting, batch.slice(0, taken)])
            batch, waiting, count = batch.slice(taken), [], 0  # noqa: PLW2901
        if batch.num_rows:
            waiting.append(batch)
            count += batch.num_rows
    if waiting:
        yield pa.concat_batches(waiting)


def _chunk(batch: pa.RecordBatch, kept: list[pa.Array], recognised: Recognised, roles: Sequence[str]) -> Chunk:
    source_id = batch.column(recognised.name("source_id"))
    bands, wrong = zip(*(_band_of(batch, band, recognised, roles) for band in BANDS), strict=True)
    reasons = {
        "no source_id": source_id.is_null().to_numpy(zero_copy_only=False),
        **{f"{band.upper()}: {WRONG}": mask for band, mask in zip(BANDS, wrong, strict=True)},
        NEITHER: ~(bands[0].present | bands[1].present),
    }
    good, failed = np.ones(batch.num_rows, bool), {}
    for reason, mask in reasons.items():
        if count := int(np.count_nonzero(good & mask)):
            failed[reason] = count
            good &= ~mask
    spectra = Spectra(source_id.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False), *bands)
    if good.all():
        return Chunk(spectra, kept, batch.num_rows, failed)
    return Chunk(spectra.chosen(good), [column.filter(pa.array(good)) for column in kept], batch.num_rows, failed)


def _band_of(
    batch: pa.RecordBatch, band: str, recognised: Recognised, roles: Sequence[str]
) -> tuple[Band, NDArray[np.bool_]]:
    """Return a band of all rows, and in which of them it is there but cannot be used."""
    rows = batch.num_rows
    arrays = {"coefficients": BASES, "coefficient_errors": BASES, "coefficient_correlations": PAIRS}
    numbers: dict[str, NDArray[np.float64]] = {}
    wrong = np.zeros(rows, bool)
    present = np.full(rows, f"{band}_coefficients" in roles)
    for part, length in arrays.items():
        role = f"{band}_{part}"
        if role not in roles:
            numbers[part] = np.broadcast_to(np.zeros(1), (rows, length))
            continue
        numbers[part], whole, empty = _matrix(batch.column(recognised.name(role)), length)
        if part == "coefficients":
            present = ~empty
        wrong |= present & ~whole
    present &= ~wrong
    for values in numbers.values():
        if values.flags.writeable:
            values[~present] = 0.0
    deviation, relevant = np.ones(rows), np.full(rows, BASES, np.int64)
    if (role := f"{band}_standard_deviation") in roles:
        deviation = recognised.numbers(batch, role)
        deviation = np.where(np.isfinite(deviation) & (deviation > 0), deviation, 1.0)  # it cancels out
    if (role := f"{band}_n_relevant_bases") in roles:
        given = recognised.numbers(batch, role)
        relevant = np.where(np.isfinite(given), given, BASES).clip(0, BASES).astype(np.int64)
    coefficients, errors, correlations = numbers.values()
    return Band(coefficients, errors, correlations, deviation, relevant, present), wrong


def _matrix(column: pa.Array, length: int) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return arrays as the rows of a matrix, which of them are whole, and which are empty (or NaN throughout)."""
    lengths = pc.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False)
    fitting = lengths == length
    values = column.filter(pa.array(fitting)).flatten().cast(pa.float64(), safe=False)  # of integers too
    taken = values.to_numpy(zero_copy_only=False).reshape(-1, length)
    finite = np.isfinite(taken)
    whole, empty = fitting.copy(), lengths == 0
    whole[fitting], empty[fitting] = finite.all(axis=1), ~finite.any(axis=1)
    if fitting.all():
        return (taken if taken.flags.writeable else taken.copy()), whole, empty
    matrix = np.zeros((len(column), length))
    matrix[fitting] = taken
    return matrix, whole, empty
