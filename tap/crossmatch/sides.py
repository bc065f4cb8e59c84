"""A selection read for the match: places of rows go into files of their own, columns of the result into another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from tap.crossmatch.epochs import Motions, propagated
from tap.crossmatch.kernel import Radii
from tap.crossmatch.ordering import in_order
from tap.crossmatch.places import PLACE, PlaceArray, Places, PlacesFile
from tap.crossmatch.rows import RowsFile
from tap.crossmatch.separations import Booleans, Floats, Integers, vectors
from uws.tasks.recognition import Recognised

NO_POSITION = "no position"
NO_DECLINATION = "declination beyond 90 degrees"
NO_MOTION = "no position at the common epoch"
LAYERS = 11
"""Rows with radii of their own are parted by factors of two: one large radius would make all others expensive."""
GREATEST_RA = 1e9
"""Degrees; of larger ones not even the arcseconds are exact."""


@dataclass(frozen=True, slots=True)
class SideRules:
    """How the places of a side's rows are found.

    Attributes
    ----------
    recognised : Recognised
        Which columns mean what.
    kept : tuple of int
        Places of the columns that come into the result.
    epoch : float, optional
        To which rows are moved.
    own_epoch : float, optional
        Of rows of which no column tells it.
    radii : Radii
        Whether rows have radii of their own.
    sigma : float
        What errors are multiplied with to be radii.
    widest : float
        Larger radii count as this one.
    """

    recognised: Recognised
    kept: tuple[int, ...]
    epoch: float | None = None
    own_epoch: float | None = None
    radii: Radii = Radii.CONSTANT
    sigma: float = 1.0
    widest: float = 0.0


@dataclass(slots=True)
class Side:
    """A selection that has been read.

    Attributes
    ----------
    layers : tuple of Places
        Its places, those with similar radii together.
    kept : RowsFile
        The columns that come into the result.
    nowhere : numpy.ndarray
        Numbers of rows that cannot be matched.
    failed : dict of str to int
        How many of them, by reason.
    shortened : int
        Rows whose own radius is larger than the largest.
    """

    layers: tuple[Places, ...]
    kept: RowsFile
    nowhere: Integers
    failed: dict[str, int] = field(default_factory=dict)
    shortened: int = 0

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return self.kept.rows


def read_side(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, rules: SideRules, *, folder: Path, name: str, memory: int
) -> Side:
    """Read a selection to its end.

    Parameters
    ----------
    batches : iterable of pyarrow.RecordBatch
        Its rows.
    schema : pyarrow.Schema
        Of its rows.
    rules : SideRules
        How places are found.
    folder : pathlib.Path
        Where files are made.
    name : str
        What their names begin with.
    memory : int
        Bytes that putting the places in order may use.

    Raises
    ------
    LimitError
        If the disk is full.
    """
    with ExitStack() as stack:
        kept = RowsFile(folder / f"{name}.arrow", pa.schema([schema.field(place) for place in rules.kept]))
        stack.callback(kept.close)
        files = [PlacesFile(folder / f"{name}-{layer}.places") for layer in range(LAYERS if _has_radii(rules) else 1)]
        for file in files:
            stack.callback(file.close)
        nowhere: list[Integers] = []
        failed: dict[str, int] = {}
        start = shortened = 0
        for batch in batches:
            ra, dec, why = _positions(batch, rules)
            radius = _radii(batch, rules)
            shortened += int(np.count_nonzero(radius > rules.widest))
            radius = np.minimum(radius, rules.widest)
            for reason, rows in why.items():
                failed[reason] = failed.get(reason, 0) + int(np.count_nonzero(rows))
            good = np.flatnonzero(~np.isnan(ra))
            if len(good) < len(ra):
                nowhere.append(np.flatnonzero(np.isnan(ra)) + start)
            _file(_places(ra[good], dec[good], radius[good], good + start), files, rules)
            kept.append(batch.select(list(rules.kept)))
            start += batch.num_rows
        kept.done()
        layers = [places for file in files if (places := file.done()) is not None]
    return Side(
        tuple(in_order(places, memory) for places in layers),
        kept,
        np.concatenate(nowhere) if nowhere else np.empty(0, np.int64),
        {reason: count for reason, count in failed.items() if count},
        shortened if _has_radii(rules) else 0,
    )


def _has_radii(rules: SideRules) -> bool:
    return rules.radii is not Radii.CONSTANT


def _file(places: PlaceArray, files: Sequence[PlacesFile], rules: SideRules) -> None:
    if len(files) == 1:
        files[0].append(places)
        return
    with np.errstate(divide="ignore"):
        halvings = np.floor(-np.log2(places["radius"] / rules.widest))
    layer = np.minimum(halvings, len(files) - 1).astype(np.int64)
    for number, file in enumerate(files):
        file.append(places[layer == number])


def _places(ra: Floats, dec: Floats, radius: Floats, rows: Integers) -> PlaceArray:
    places = np.empty(len(ra), PLACE)
    places["vector"] = vectors(ra, dec)
    places["ra"], places["dec"], places["radius"], places["row"] = ra, dec, radius, rows
    return places


def _positions(batch: pa.RecordBatch, rules: SideRules) -> tuple[Floats, Floats, dict[str, Booleans]]:
    """Return places at the common epoch, NaN for rows that are nowhere, and why these are."""
    ra, dec = (rules.recognised.numbers(batch, role) for role in ("ra", "dec"))
    missing = ~(np.isfinite(ra) & np.isfinite(dec) & (np.abs(ra) <= GREATEST_RA))
    beyond = ~missing & (np.abs(dec) > 90)
    nowhere = missing | beyond
    ra, dec = np.fmod(np.where(nowhere, np.nan, ra), 360.0), np.where(nowhere, np.nan, dec)
    lost = np.zeros(len(ra), bool)
    if rules.epoch is not None:
        pmra, pmdec, parallax, velocity, epoch = (
            _optional(batch, rules, role) for role in ("pmra", "pmdec", "parallax", "radial_velocity", "ref_epoch")
        )
        if rules.own_epoch is not None:
            epoch = np.where(np.isnan(epoch), rules.own_epoch, epoch)
        ra, dec = propagated(ra, dec, Motions(pmra, pmdec, parallax, velocity), rules.epoch - epoch)
        lost = ~nowhere & np.isnan(ra)
    return ra, dec, {NO_POSITION: missing, NO_DECLINATION: beyond, NO_MOTION: lost}


def _optional(batch: pa.RecordBatch, rules: SideRules, role: str) -> Floats:
    """Return a role's numbers, NaN where no column that was read has the role."""
    if rules.recognised.name(role) not in batch.schema.names:
        return np.full(batch.num_rows, np.nan)
    return rules.recognised.numbers(batch, role)


def _radii(batch: pa.RecordBatch, rules: SideRules) -> Floats:
    """Return radii in arcsec; what is unknown or negative is 0."""
    match rules.radii:
        case Radii.CONSTANT:
            return np.zeros(batch.num_rows)
        case Radii.SUM:
            radius = _optional(batch, rules, "radius")
        case Radii.QUADRATURE:
            errors = np.stack([_optional(batch, rules, role) for role in ("ra_error", "dec_error")])
            known = errors >= 0
            squares = np.where(known, errors, 0.0) ** 2
            radius = rules.sigma * np.sqrt(squares.sum(axis=0) / np.maximum(known.sum(axis=0), 1))
    return np.where(radius > 0, radius, 0.0)
