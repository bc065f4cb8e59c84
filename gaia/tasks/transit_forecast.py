"""The task ``transit-forecast``: when Gaia's fields of view passed over targets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import model_validator

from gaia.releases import DR3
from gaia.scanning import VERSION, provenance
from gaia.scanning.coverage import centres
from gaia.scanning.transits import BEGIN, END, Transits, forecast
from gaia.tasks.pieces import each_done
from gaia.tasks.transit_columns import (
    COUNTS,
    DECLINATION,
    HEALPIX,
    RIGHT_ASCENSION,
    SYSTEMS,
    TARGET,
    TRANSIT,
    batch,
    count_arrays,
    transit_arrays,
)
from gaia.tasks.transit_pictures import TransitPictures
from uws.tasks import (
    DEC,
    RA,
    Input,
    Kind,
    Output,
    Plan,
    Reference,
    Role,
    Rows,
    SelectionFacts,
    Task,
    TaskContext,
    TaskInput,
    TaskOutput,
    TaskParameters,
    parameter,
)
from vo.core.errors import ParameterError
from vo.core.tables import Column

PIECE = 1000
"""Targets of a piece of work; a thousand have some 200,000 transits in the whole mission."""
RATE = 400_000.0
PER_YEAR = 17.0
"""Transits a second, and of a target in a year; for estimates."""
EARLIEST, LATEST = 1900, 2100
"""Epochs from which positions are moved: Julian years."""
HIGHEST_ORDER = 9
"""3,145,728 pixels of 0.11 deg: fields of view are 0.7 deg high."""
PICTURES = {
    "timeline": ("timeline.png", "When the targets were seen; of a single one also the directions of the scans"),
    "sky": ("sky.png", "Where Gaia looked, and the targets"),
    "coverage": ("coverage.png", "How often the targets were seen"),
}

_EPOCHS = ("meta.ref;time.epoch", "time.epoch")
_MOTIONS = (
    Role("pmra", "proper motion in right ascension", ("pos.pm;pos.eq.ra",), ("pmra",), unit="mas.yr-1", required=False),
    Role("pmdec", "proper motion in declination", ("pos.pm;pos.eq.dec",), ("pmdec",), unit="mas.yr-1", required=False),
    Role("parallax", "parallax", ("pos.parallax", "pos.parallax.trig"), ("parallax",), unit="mas", required=False),
    Role("ref_epoch", "epoch", _EPOCHS, ("ref_epoch", "epoch"), unit="yr", required=False),
)
IDENTIFIER = Role(
    "id", "identifier", ("meta.id;meta.main",), ("source_id", "target", "name", "id"), kind=Kind.ANY, required=False
)
TARGETS = TaskInput("", "table of targets", (IDENTIFIER, RA, DEC, *_MOTIONS), required=False, position=True)
NAMED, NUMBERED = "named", "numbered"
"""What the plan calls its input: its first column is the identifier, or it has none."""


class Form(Enum):
    """What a row of the result is."""

    TRANSITS = "transits"
    COUNTS = "counts"


class TransitParameters(TaskParameters):
    """Parameters of the task ``transit-forecast``."""

    time_min: float = parameter(
        BEGIN,
        description="First time, MJD in TCB at the barycentre of the solar system.",
        unit="d",
        ucd="time.start",
        examples=(57000,),
        ge=BEGIN,
        le=END,
    )
    time_max: float = parameter(
        END,
        description="Last time, MJD in TCB at the barycentre of the solar system.",
        unit="d",
        ucd="time.end",
        examples=(57900,),
        ge=BEGIN,
        le=END,
    )
    epoch: float | None = parameter(
        None,
        description="Julian epoch of the positions, from which targets with proper motions are moved, where no column "
        "tells it or the value is missing; 2016 for Gaia DR3.",
        unit="yr",
        ucd="time.epoch",
        examples=(DR3.reference_epoch,),
        ge=EARLIEST,
        le=LATEST,
    )
    healpix_order: int | None = parameter(
        None,
        description="Instead of targets: the centres of all HEALPix pixels of this order, in the nested scheme.",
        examples=(5,),
        ge=0,
        le=HIGHEST_ORDER,
    )
    form: Form = parameter(
        Form.TRANSITS, description="transits: one transit a row. counts: one target a row, with how often it was seen."
    )

    @model_validator(mode="after")
    def _together(self) -> TransitParameters:
        if self.time_max < self.time_min:
            raise ParameterError("TIME_MAX", f"{self.time_max:.10g} is before TIME_MIN, {self.time_min:.10g}.")
        return self


@dataclass(frozen=True, slots=True)
class Piece:
    """Some targets; without motions where nobody knows them."""

    ra: NDArray[np.float64]
    dec: NDArray[np.float64]
    pmra: NDArray[np.float64] | None = None
    pmdec: NDArray[np.float64] | None = None
    parallax: NDArray[np.float64] | None = None
    ref_epoch: NDArray[np.float64] | None = None


def forecasted(piece: Piece, parameters: TransitParameters) -> Transits:
    """Forecast the transits of some targets; it can run in other processes."""
    otherwise = np.full(len(piece.ra), np.nan if parameters.epoch is None else parameters.epoch)
    told = piece.ref_epoch
    epoch = otherwise if told is None else np.where(np.isfinite(told), told, otherwise)
    return forecast(
        piece.ra,
        piece.dec,
        parameters.time_min,
        parameters.time_max,
        pmra=piece.pmra,
        pmdec=piece.pmdec,
        parallax=piece.parallax,
        epoch=epoch,
    )


class TransitForecast(Task[TransitParameters]):
    """Transits of targets over Gaia's focal plane."""

    name = "transit-forecast"
    title = "When Gaia saw targets"
    description = (
        "Forecasts the transits of targets over Gaia's focal plane from the nominal scanning law, as ESA's observation "
        "forecast tool GOST does: time, field of view, row of CCDs, scan angle, parallax factors.\n\n"
        "Targets are a position (TARGET, or RA and DEC), a table, a query, an upload, or all pixels of a HEALPix map. "
        "It is the nominal law: some of the transits were not observed, and the times differ from the real ones by up "
        "to half a second. After January 2020 only times have been checked against an independent output, those of "
        "one position.\n\n"
        f"Columns of transits, besides the target and its position: {', '.join(column.name for column in TRANSIT)}. "
        f"Columns of counts: {', '.join(column.name for column in COUNTS)}."
    )
    version = VERSION
    references = (
        Reference("Gaia Collaboration, Prusti et al. 2016, The Gaia mission, section 5.2", "https://doi.org/10.1051/0004-6361/201629272"),
        Reference("Gaia Observation Forecast Tool", "https://gaia.esac.esa.int/gost/"),
    )  # fmt: skip
    parameters = TransitParameters
    inputs = (TARGETS,)
    outputs = (
        TaskOutput("result", "Transits", columns=(RIGHT_ASCENSION, DECLINATION), systems=SYSTEMS),
        *(TaskOutput(name, title, "image/png") for name, title in PICTURES.values()),
    )
    examples = (
        {"TARGET": "HIP 27321", "TIME_MIN": "56900", "TIME_MAX": "57900"},
        {"RA": "86.8212", "DEC": "-51.0665"},
        {"QUERY": "SELECT hip, ra, dec FROM hipparcos.hip2 WHERE plx > 200", "FORM": "counts"},
        {"HEALPIX_ORDER": "4", "FORM": "counts"},
    )
    preload = ("gaia.scanning.transits",)

    def plan(self, selections: Mapping[str, SelectionFacts], parameters: TransitParameters) -> Plan:
        """Check that there is something to look for."""
        years = (parameters.time_max - parameters.time_min) / 365.25
        facts = selections.get("")
        if facts is None:
            if parameters.healpix_order is None:
                raise ParameterError(
                    "TARGET",
                    "nothing says which targets.",
                    hint="Send RA and DEC, TARGET, QUERY, TABLE or UPLOAD; or HEALPIX_ORDER for a map of the sky.",
                )
            count = 12 * 4**parameters.healpix_order
            words = f"The {count:,} pixels of HEALPix order {parameters.healpix_order}."
            return _plan({}, count, years, parameters, words)
        if parameters.healpix_order is not None:
            raise ParameterError("HEALPIX_ORDER", "is given together with targets.", hint="Send one of them.")
        roles = [role.name for role in TARGETS.roles if role.name in facts.recognised]
        if {"pmra", "pmdec"} <= set(roles) and "ref_epoch" not in roles and parameters.epoch is None:
            raise ParameterError(
                "EPOCH",
                f"is missing: {facts.source} has proper motions, and no column tells the epoch of its positions.",
                hint="Send it, such as EPOCH=2016 for Gaia DR3, or name the column with REF_EPOCH.",
            )
        wanted = tuple(dict.fromkeys(name for role in roles if (name := facts.recognised.name(role))))
        name = NAMED if "id" in roles else NUMBERED
        return _plan({name: Rows("", wanted)}, facts.rows, years, parameters, f"Targets: {facts.source}.")

    def facts(self, parameters: TransitParameters) -> Mapping[str, str]:  # noqa: ARG002
        """Tell what the numbers rest on."""
        return {
            **provenance.facts(),
            **{name: DR3.facts()[name] for name in ("licence", "acknowledgement")},
        }

    def columns(
        self, inputs: Mapping[str, tuple[Column, ...]], parameters: TransitParameters, plan: Plan
    ) -> Mapping[str, tuple[Column, ...]]:
        """Return the identifier, the position, and the columns of transits or counts."""
        if NAMED in plan.inputs:
            identifier = replace(inputs[NAMED][0], ucd="meta.id;meta.main")
        else:
            identifier = HEALPIX if parameters.healpix_order is not None else TARGET
        own = TRANSIT if parameters.form is Form.TRANSITS else COUNTS
        return {"result": _unique((identifier, RIGHT_ASCENSION, DECLINATION, *own))}

    def run(
        self, inputs: Mapping[str, Input], parameters: TransitParameters, context: TaskContext
    ) -> Iterator[pa.RecordBatch | Output]:
        """Forecast."""
        order = parameters.healpix_order
        work = _targets(inputs, parameters, context) if order is None else _pixels(order)
        pictures = TransitPictures(
            {kind: context.file(name) for kind, (name, _) in PICTURES.items() if context.wants(name)},
            parameters.healpix_order,
            parameters.time_min,
            parameters.time_max,
        )
        targets = None if parameters.healpix_order is None else 12 * 4**parameters.healpix_order
        if inputs:
            targets = next(iter(inputs.values())).rows
        done = 0
        for (identifiers, piece), found in each_done(
            ((each, each[1]) for each in work), partial(forecasted, parameters=parameters), context
        ):
            pictures.add(_names(inputs, identifiers[:1]), piece.ra, piece.dec, found)
            count = len(piece.ra)
            if parameters.form is Form.COUNTS:
                yield batch([identifiers, pa.array(piece.ra), pa.array(piece.dec), *count_arrays(found, count)])
            elif len(found):
                rows = pa.array(found.target)
                common = [column.take(rows) for column in (identifiers, pa.array(piece.ra), pa.array(piece.dec))]
                yield batch([*common, *transit_arrays(found)])
            context.count(requested=count, found=count)
            done += count
            if targets:
                context.progress(fraction=done / targets)
        pictures.draw()


def _plan(
    inputs: Mapping[str, Rows], targets: int | None, years: float, parameters: TransitParameters, words: str
) -> Plan:
    if targets is None:
        return Plan(inputs, explanation=words)
    transits = targets * (years * PER_YEAR + 2)
    rows = int(transits) if parameters.form is Form.TRANSITS else targets
    return Plan(inputs, seconds=transits / RATE, rows=rows, explanation=words)


def _unique(columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """Return the columns; the first one gets another name if it has that of one of ours."""
    first, *others = columns
    taken = {column.name.lower() for column in others}
    return (replace(first, name=f"{first.name}_1") if first.name.lower() in taken else first, *others)


def _pixels(order: int) -> Iterator[tuple[pa.Array, Piece]]:
    """Yield the pixels of a map."""
    count = 12 * 4**order
    for first in range(0, count, PIECE):
        pixels = np.arange(first, min(first + PIECE, count))
        yield pa.array(pixels), Piece(*centres(order, pixels))


def _names(inputs: Mapping[str, Input], identifiers: pa.Array) -> list[str]:
    """Return what a picture calls targets: numbers with the name of their column."""
    if NAMED not in inputs:
        return []
    before = "" if pa.types.is_string(identifiers.type) else f"{inputs[NAMED].columns[0].name} "
    return [f"{before}{identifier}" for identifier in identifiers]


def _epoch(given: Input, moves: Mapping[str, NDArray[np.float64]], parameters: TransitParameters) -> str:
    """Return what a result says of the epoch of its positions, from the first rows of the input."""
    if not {"pmra", "pmdec"} <= moves.keys():
        return "no proper motions: positions are taken as they are"
    told = moves.get("ref_epoch")
    if told is None:
        return f"J{parameters.epoch}"
    if given.rows == 1 and np.isfinite(told).all() and len(told):
        return f"J{told[0]}"
    return f"column {given.recognised.name('ref_epoch')}"


def _targets(
    inputs: Mapping[str, Input], parameters: TransitParameters, context: TaskContext
) -> Iterator[tuple[pa.Array, Piece]]:
    """Yield the targets of the input; rows without a position are counted."""
    name, given = next(iter(inputs.items()))
    roles = given.recognised
    motions = [role.name for role in _MOTIONS]
    before = 0
    for batch_ in given.batches:
        named = batch_.rename_columns([column.name for column in given.columns])
        numbered = pa.array(np.arange(before + 1, before + named.num_rows + 1))
        first_rows, before = before == 0, before + named.num_rows
        identifiers = named.column(0) if name == NAMED else numbered
        ra, dec = roles.numbers(named, "ra"), roles.numbers(named, "dec")
        moves = {role: roles.numbers(named, role) for role in motions if role in roles}
        if first_rows:
            context.info("position_epoch", _epoch(given, moves, parameters))
        good = np.isfinite(ra) & (np.abs(dec) <= 90)
        epochs = moves.get("ref_epoch", np.full(len(ra), np.nan))
        dated = np.isnan(epochs) | ((epochs >= EARLIEST) & (epochs <= LATEST))
        for reason, lost in (("no position", ~good), (f"an epoch outside of {EARLIEST} to {LATEST}", good & ~dated)):
            if count := int(np.count_nonzero(lost)):
                context.count(requested=count, failed={reason: count})
        good &= dated
        places = np.flatnonzero(good)
        for first in range(0, len(places), PIECE):
            some = places[first : first + PIECE]
            piece = Piece(ra[some], dec[some], **{role: values[some] for role, values in moves.items()})
            yield identifiers.take(pa.array(some)), piece
