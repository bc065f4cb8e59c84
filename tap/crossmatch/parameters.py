"""What a client can ask of a cross-match, and which of it goes together."""

from __future__ import annotations

from enum import Enum

from pydantic import model_validator

from tap.crossmatch.kernel import Radii, Rule
from uws.tasks import DEC, RA, Role, TaskInput, TaskParameters, parameter
from vo.core.errors import ParameterError

WIDEST = 36_000
"""Largest radius in arcsec: ten degrees."""


class Mode(Enum):
    """Which pairs of near rows are wanted."""

    BEST = "best"
    ALL = "all"
    SYMMETRIC = "best-symmetric"
    NEAREST = "nearest"
    UNMATCHED = "unmatched"


class Engine(Enum):
    """Who finds the pairs."""

    AUTO = "auto"
    DATABASE = "database"
    STREAM = "stream"


class CrossmatchParameters(TaskParameters):
    """Parameters of the task ``crossmatch``."""

    radius: float = parameter(
        1.0,
        description="The largest distance of a pair. It holds for rows with radii of their own and with SIGMA too.",
        unit="arcsec",
        ucd="pos.angDistance",
        examples=(1, 0.5, 30),
        gt=0,
        le=WIDEST,
    )
    mode: Mode = parameter(
        Mode.BEST,
        description="best: for each row of the first table the nearest of the second. all: every pair. best-symmetric: "
        "the closest pair, then the closest of the remaining rows, so that each row of either table is at most once. "
        "nearest: the K nearest. unmatched: the rows of the first table that have no pair.",
    )
    k: int | None = parameter(
        None, description="How many rows of the second table at most, with MODE=nearest.", examples=(3,), ge=1, le=1000
    )
    sigma: float | None = parameter(
        None,
        description="A pair is no farther apart than so many times the root of the sum of the squares of both errors. "
        "The error of a row is the root of the mean of the squares of those of its coordinates; an unknown one is 0.",
        examples=(5,),
        gt=0,
        le=10_000,
    )
    epoch: float | None = parameter(
        None,
        description="Compare the positions at this Julian epoch: rows with a proper motion and an epoch are moved to "
        "it, rigorously and with parallax and radial velocity where they are known; others stay.",
        unit="yr",
        ucd="time.epoch",
        examples=(2016,),
        ge=0,
        le=4000,
    )
    epoch_1: float | None = parameter(
        None,
        description="Julian epoch of the positions of the first table where no column tells it.",
        unit="yr",
        ucd="time.epoch",
        examples=(1991.25,),
        ge=0,
        le=4000,
    )
    epoch_2: float | None = parameter(
        None,
        description="Julian epoch of the positions of the second table where no column tells it.",
        unit="yr",
        ucd="time.epoch",
        examples=(2016,),
        ge=0,
        le=4000,
    )
    columns_1: tuple[str, ...] = parameter(
        (), description="Columns of the first table that are wanted in the result; all of them otherwise."
    )
    columns_2: tuple[str, ...] = parameter(
        (), description="Columns of the second table that are wanted in the result; all of them otherwise."
    )
    engine: Engine = parameter(
        Engine.AUTO,
        description="Who finds the pairs: the database by its index, or the task while it reads both tables; auto "
        "takes what will be quicker.",
    )

    @model_validator(mode="after")
    def _together(self) -> CrossmatchParameters:
        if self.mode is Mode.NEAREST and self.k is None:
            raise ParameterError("K", "is missing.", hint="With MODE=nearest it says how many, such as K=3.")
        if self.mode is not Mode.NEAREST and self.k is not None:
            raise ParameterError("K", f"means nothing with MODE={self.mode.value}.", hint="Send MODE=nearest with it.")
        for name in ("epoch_1", "epoch_2"):
            if self.epoch is None and getattr(self, name) is not None:
                raise ParameterError(
                    name.upper(), "is given without EPOCH.", hint="EPOCH says to which epoch the positions are moved."
                )
        if self.mode is Mode.UNMATCHED and self.columns_2:
            raise ParameterError("COLUMNS_2", "rows without a pair have no columns of the second table.")
        return self

    def own_epoch(self, side: str) -> float | None:
        """Return the epoch that is given for the side ``1`` or ``2``."""
        return self.epoch_1 if side == "1" else self.epoch_2

    def wanted_columns(self, side: str) -> tuple[str, ...]:
        """Return the columns that are wanted of the side ``1`` or ``2``; empty for all."""
        return self.columns_1 if side == "1" else self.columns_2

    def rule(self, radii: Radii) -> Rule:
        """Return which pairs are wanted."""
        match self.mode:
            case Mode.BEST | Mode.UNMATCHED:
                return Rule(self.radius, radii, 1)
            case Mode.NEAREST:
                return Rule(self.radius, radii, self.k)
            case _:
                return Rule(self.radius, radii)


_VELOCITIES = (
    "spect.dopplerveloc;pos.heliocentric",
    "spect.dopplerveloc.opt;em.opt.i",
    "spect.dopplerveloc.opt",
    "spect.dopplerveloc",
)


def _optional(name: str, description: str, unit: str, ucds: tuple[str, ...], *names: str) -> Role:
    return Role(name, description, ucds, names, unit=unit, required=False)


ROLES = (
    RA,
    DEC,
    _optional("pmra", "proper motion in right ascension", "mas.yr-1", ("pos.pm;pos.eq.ra",), "pmra", "pm_ra"),
    _optional("pmdec", "proper motion in declination", "mas.yr-1", ("pos.pm;pos.eq.dec",), "pmdec", "pm_dec"),
    _optional("parallax", "parallax", "mas", ("pos.parallax", "pos.parallax.trig"), "parallax", "plx"),
    _optional("radial_velocity", "radial velocity", "km.s-1", _VELOCITIES, "radial_velocity", "rv"),
    _optional("ref_epoch", "epoch", "yr", ("meta.ref;time.epoch", "time.epoch"), "ref_epoch", "epoch"),
    _optional("radius", "radius", "arcsec", ()),
    _optional("ra_error", "error of the right ascension", "arcsec", ("stat.error;pos.eq.ra",), "ra_error", "e_ra"),
    _optional("dec_error", "error of the declination", "arcsec", ("stat.error;pos.eq.dec",), "dec_error", "e_dec"),
)
"""What columns are for. The radius has neither UCDs nor names: it is never guessed."""

INPUTS = (TaskInput("1", "first table", ROLES), TaskInput("2", "second table", ROLES))
