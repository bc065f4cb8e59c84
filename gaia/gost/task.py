"""The task ``transit-forecast-esa``: forecasts by ESA's own service, for those who want them from there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from gaia.gost.esa import SITE, EsaGost
from gaia.releases import ACKNOWLEDGEMENT, LICENCE
from gaia.scanning import law, times
from gaia.scanning.gaps import gaps
from gaia.tasks.transit_columns import DECLINATION, RIGHT_ASCENSION, TARGET, TRANSIT
from uws.tasks import (
    DEC,
    RA,
    Input,
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
from uws.tasks.declaration import Kind
from vo.core.errors import LimitError, ParameterError
from vo.core.tables import Column, schema_of

if TYPE_CHECKING:
    from gaia.gost.exports import Export

BEGIN, END = 56863.4384, 60857.0
"""MJD for which ESA's service forecasts."""
MOST_TARGETS = 10_000
"""As many as its web form takes."""
SECONDS = 3.0
"""For one target, more or less."""
AROUND = 0.01
"""Days by which more is asked for than is wanted: barycentric times differ from those at Gaia."""
MJD_EPOCH = datetime(1858, 11, 17, tzinfo=UTC)
IDENTIFIER = Role(
    "id",
    "identifier of the target",
    ("meta.id;meta.main", "meta.id"),
    ("source_id", "target", "designation", "name", "id"),
    kind=Kind.ANY,
    required=False,
)


class Form(Enum):
    """Which of the service's interfaces is asked."""

    WEB = "web"
    OBJVISSAP = "objvissap"


class EsaForecastParameters(TaskParameters):
    """Parameters of the task ``transit-forecast-esa``."""

    time_min: float = parameter(
        BEGIN, description="Beginning: MJD in barycentric TCB.", unit="d", ucd="time.start", ge=BEGIN, le=END
    )
    time_max: float = parameter(
        END, description="End: MJD in barycentric TCB.", unit="d", ucd="time.end", ge=BEGIN, le=END, examples=(57388,)
    )
    interface: Form = parameter(
        Form.WEB,
        description="web: what the web form exports, with all columns. objvissap: the endpoint for programs, which "
        "tells times alone.",
    )


class TransitForecastEsa(Task[EsaForecastParameters]):
    """When Gaia observes targets, as ESA's service says."""

    name = "transit-forecast-esa"
    title = "Transit forecast by ESA's GOST"
    description = (
        "Asks ESA's Gaia Observation Forecast Tool (GOST) when Gaia crosses targets, one after another.\n\n"
        "The task transit-forecast computes the same here, thousands of targets a minute; this one is for comparing. "
        "The positions of the targets leave this service, their names do not."
    )
    references = (
        Reference("Gaia Observation Forecast Tool", "https://gaia.esac.esa.int/gost/"),
        Reference("Gaia Collaboration, Prusti et al. 2016, the Gaia mission", "https://doi.org/10.1051/0004-6361/201629272"),
    )  # fmt: skip
    parameters = EsaForecastParameters
    inputs = (TaskInput("", "targets", (RA, DEC, IDENTIFIER), position=True),)
    outputs = (TaskOutput("result", "Transits, by target and time", columns=(RIGHT_ASCENSION, DECLINATION, *TRANSIT)),)
    examples = ({"RA": "86.8212", "DEC": "-51.0665", "TIME_MIN": "57000", "TIME_MAX": "57400"},)
    keeps_partial = True
    network = True

    def plan(self, selections: Mapping[str, SelectionFacts], parameters: EsaForecastParameters) -> Plan:
        """Read names and positions alone."""
        if parameters.time_max < parameters.time_min:
            raise ParameterError("TIME_MAX", "is before TIME_MIN.")
        facts = selections[""]
        found = facts.recognised.found
        names = dict.fromkeys(found[role].name for role in ("id", "ra", "dec") if role in found)
        targets = facts.rows
        if targets is not None and targets > 2 * MOST_TARGETS:  # numbers of rows may be estimates
            raise _too_many()
        return Plan(
            {"": Rows("", columns=tuple(names))},
            seconds=None if targets is None else targets * SECONDS,
            explanation="One target after another is asked for at ESA's service.",
        )

    def columns(
        self,
        inputs: Mapping[str, tuple[Column, ...]],
        parameters: EsaForecastParameters,  # noqa: ARG002
        plan: Plan,  # noqa: ARG002
    ) -> Mapping[str, tuple[Column, ...]]:
        """Return the identifier, the position, and the columns of transits."""
        return {"result": _result(inputs[""])}

    def facts(self, parameters: EsaForecastParameters) -> Mapping[str, str]:  # noqa: ARG002
        """Say whose forecast it is."""
        return {"engine": "ESA GOST", "licence": f"{LICENCE} (ESA/Gaia/DPAC)", "acknowledgement": ACKNOWLEDGEMENT}

    def run(
        self, inputs: Mapping[str, Input], parameters: EsaForecastParameters, context: TaskContext
    ) -> Iterator[pa.RecordBatch | Output]:
        """Ask for each target."""
        targets = inputs[""]
        service = EsaGost(context.site(SITE))
        schema = schema_of(_result(targets.columns))
        number = 0
        for batch in targets.batches:
            ra, dec = (targets.recognised.numbers(batch, role).tolist() for role in ("ra", "dec"))
            for row, position in enumerate(zip(ra, dec, strict=True)):
                number += 1
                if number > MOST_TARGETS:
                    raise _too_many()
                if not np.isfinite(position).all():
                    context.count(requested=1, failed={"no position": 1})
                    continue
                context.progress(stage=f"target {number}")
                made = _asked(service, *position, parameters, context)
                count = len(made[0])
                if not count:
                    context.count(requested=1, failed={"ESA's GOST tells no transit": 1})
                    continue
                context.count(requested=1, found=1)
                identifier = batch.column(0)[row] if _is_named(targets.columns) else pa.scalar(number)
                same = [identifier, *map(pa.scalar, position)]
                yield pa.RecordBatch.from_arrays([*(pa.repeat(each, count) for each in same), *made], schema=schema)


def _result(given: tuple[Column, ...]) -> tuple[Column, ...]:
    """Return the columns of the result: its first tells the target, by its identifier or the number of its row."""
    first = given[0] if _is_named(given) else TARGET
    return (first, RIGHT_ASCENSION, DECLINATION, *TRANSIT)


def _is_named(given: tuple[Column, ...]) -> bool:
    """Return whether what is given begins with an identifier before the position."""
    return len(given) > len(("ra", "dec"))


def _asked(
    service: EsaGost, ra: float, dec: float, parameters: EsaForecastParameters, context: TaskContext
) -> list[pa.Array]:
    """Return the columns `TRANSIT` of one target."""
    from gaia.gost.exports import MOST_ROWS, read_export, read_visibility  # noqa: PLC0415  (web processes need no CSV reader)

    begin, end = parameters.time_min - AROUND, parameters.time_max + AROUND
    if parameters.interface is Form.WEB:
        found = read_export(service.transits(ra, dec, _date(begin), _date(end)))
    else:
        path = context.scratch / "visibility.vot"
        path.write_bytes(service.visibility(ra, dec, begin, end, MOST_ROWS))
        found = read_visibility(path)
    return _columns(found, parameters)


def _columns(found: Export, parameters: EsaForecastParameters) -> list[pa.Array]:
    """Return the columns `TRANSIT`; what GOST does not tell but follows from times is added."""
    kept = np.flatnonzero((found.time_bary_tcb >= parameters.time_min) & (found.time_bary_tcb < parameters.time_max))
    kept = kept[np.argsort(found.time_bary_tcb[kept], kind="stable")]
    bary = found.time_bary_tcb[kept]
    if found.time_gaia_utc is not None:
        utc = found.time_gaia_utc[kept]
        tdb = utc.copy()
        for _ in range(3):  # the difference of the scales changes by nanoseconds in a minute
            tdb = utc + (tdb - times.utc(tdb))
        tcb = times.tcb(tdb)
    else:
        assert found.time_gaia_tcb is not None  # noqa: S101
        tcb = found.time_gaia_tcb[kept]
        tdb = times.tdb(tcb)
        utc = times.utc(tdb)
    obmt = times.obmt(tcb)
    rows = np.zeros(len(kept), np.int8) if found.ccd_row is None else found.ccd_row[kept]
    segments = [*(segment.name for segment in law.SEGMENTS), None]
    of_export = {
        "ccd_row": found.ccd_row,
        "zeta": found.zeta,
        "scan_angle": found.scan_angle,
        "parallax_factor_al": found.parallax_factor_al,
        "parallax_factor_ac": found.parallax_factor_ac,
    }
    made: dict[str, object] = {name: None if value is None else value[kept] for name, value in of_export.items()}
    made |= {"time_gaia_tcb": tcb, "time_gaia_utc": utc, "time_bary_tcb": bary, "obmt": obmt}
    made["fov"] = None if found.following is None else np.where(found.following[kept], "F", "P")
    lost = gaps()
    made["in_gap"] = pa.array(lost.contain(obmt, rows), mask=obmt > lost.end)
    made["segment"] = [segments[place] for place in law.segment_of(tdb)]
    return [_array(made[field.name], field.type, len(kept)) for field in schema_of(TRANSIT)]


def _array(values: object, kind: pa.DataType, count: int) -> pa.Array:
    if values is None:
        return pa.nulls(count, kind)
    return pa.array(values, kind, from_pandas=True)


def _date(mjd: float) -> str:
    return (MJD_EPOCH + timedelta(days=mjd)).strftime("%Y-%m-%dT%H:%M:%S")


def _too_many() -> LimitError:
    return LimitError(f"ESA's GOST takes {MOST_TARGETS} targets.", hint="The task transit-forecast takes any number.")
