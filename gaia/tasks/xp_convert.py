"""The task ``xp-convert``: internal spectra, in electrons over pseudo-wavelength."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import model_validator

from gaia.engines import Engine
from gaia.tasks.pictures import SpectraSample
from gaia.tasks.spectra_columns import (
    BAND,
    INTERNAL_CORRELATION,
    INTERNAL_ERROR,
    INTERNAL_FLUX,
    PSEUDO_WAVELENGTH,
)
from gaia.tasks.spectra_input import Chunk
from gaia.tasks.spectra_run import (
    CORRELATED_POINTS,
    MOST_POINTS,
    Form,
    SpectraParameters,
    SpectraTask,
    arrays,
    computed,
    kept_columns,
    model,
    numbers,
    planned,
    result_batch,
    result_columns,
    work_rows,
)
from gaia.xp import package
from gaia.xp.conversion import BandName, Conversion
from gaia.xp.sampling import pseudo_wavelengths
from gaia.xp.spectra import Spectra
from uws.tasks import Input, Output, Plan, SelectionFacts, TaskContext, TaskOutput, parameter
from vo.core.errors import ParameterError
from vo.core.tables import Column

LAST = 60.0
"""Pseudo-wavelengths go from 0 to here."""
PICTURES = {"bp": "bp.png", "rp": "rp.png"}
RATES = {Engine.BATCH: 8000.0, Engine.PACKAGE: 600.0}
"""Spectra with errors a second, measured with 600 points."""


class ConvertParameters(SpectraParameters):
    """Parameters of the task ``xp-convert``."""

    sampling: tuple[float, ...] = parameter(
        (),
        description="Pseudo-wavelengths, ascending, from 0 to 60; otherwise POINTS of equal distances.",
        examples=(10, 20, 30),
    )
    points: int = parameter(600, description="How many pseudo-wavelengths from 0 to 60.", ge=2, le=MOST_POINTS)
    with_correlation: bool = parameter(
        False, description="Also the correlations of the fluxes, as many numbers for each spectrum as points squared."
    )
    form: Form = parameter(
        Form.SPECTRUM,
        description="spectrum: one spectrum of BP or RP a row, as arrays. sample: one place of one spectrum a row.",
    )

    @model_validator(mode="after")
    def _together(self) -> ConvertParameters:
        if self.with_correlation and self.form is Form.SAMPLE:
            raise ParameterError("WITH_CORRELATION", "belongs to whole spectra.", hint="Send FORM=spectrum.")
        most = CORRELATED_POINTS if self.with_correlation else MOST_POINTS
        if len(self.grid) > most:
            name = "SAMPLING" if self.sampling else "POINTS"
            raise ParameterError(name, f"there are {len(self.grid):,} points; at most {most:,} can be had.")
        if self.sampling:
            pseudo_wavelengths(np.array(self.sampling))
        return self

    @property
    def grid(self) -> tuple[float, ...]:
        """The pseudo-wavelengths."""
        return self.sampling or tuple(np.linspace(0.0, LAST, self.points).tolist())


@dataclass(frozen=True, slots=True)
class Converted:
    """Fluxes (electron/s) of the sources that have a band."""

    flux: NDArray[np.float64]
    error: NDArray[np.float64]
    correlation: NDArray[np.float64] | None


@cache
def _conversion(grid: tuple[float, ...]) -> Conversion:
    return Conversion(model(), np.array(grid))


def converted(spectra: Spectra, parameters: ConvertParameters) -> tuple[Converted, Converted]:
    """Convert some spectra: their BP and their RP, NaN where the band is missing; it can run in other processes."""
    grid, truncation, correlated = parameters.grid, parameters.truncation, parameters.with_correlation
    if parameters.engine is Engine.PACKAGE:
        bp, rp = package.convert(spectra, np.array(grid), truncation, correlated)
        return Converted(bp.flux, bp.error, bp.correlation), Converted(rp.flux, rp.error, rp.correlation)
    conversion = _conversion(grid)

    def one(band: BandName) -> Converted:
        return Converted(
            conversion.flux(spectra, band, truncation),
            conversion.errors(spectra, band, truncation),
            conversion.correlations(spectra, band, truncation) if correlated else None,
        )

    return one("bp"), one("rp")


class XpConvert(SpectraTask[ConvertParameters]):
    """Internally calibrated BP/RP spectra."""

    name = "xp-convert"
    title = "Internal BP/RP spectra"
    description = (
        "Makes internally calibrated spectra, flux over pseudo-wavelength as the mean instrument sees it, from BP/RP "
        "mean spectra in their continuous representation, which the Gaia archive calls xp_continuous_mean_spectrum.\n\n"
        "Each source has a row for BP and one for RP; a band that is missing has none."
    )
    parameters = ConvertParameters
    outputs = (
        TaskOutput("result", "Internal spectra", columns=(BAND, PSEUDO_WAVELENGTH, INTERNAL_FLUX, INTERNAL_ERROR)),
        TaskOutput(PICTURES["bp"], "Internal BP spectra", "image/png"),
        TaskOutput(PICTURES["rp"], "Internal RP spectra", "image/png"),
    )
    examples = ({"TABLE": "gaia_dr3.xp_continuous_mean_spectrum"},)

    def plan(self, selections: Mapping[str, SelectionFacts], parameters: ConvertParameters) -> Plan:
        """Read the columns that are needed, along the disk."""
        points = len(parameters.grid)
        rate = RATES[parameters.engine] * 600 / max(points, 100)
        each = 2 * points if parameters.form is Form.SAMPLE else 2
        return planned(selections[""], parameters, errors=True, rate=rate, rows_each=each)

    def columns(
        self,
        inputs: Mapping[str, tuple[Column, ...]],
        parameters: ConvertParameters,
        plan: Plan,  # noqa: ARG002
    ) -> Mapping[str, tuple[Column, ...]]:
        """Return source_id, kept columns, the band, places, fluxes and their errors."""
        kept = [inputs[""][place] for place in kept_columns(inputs[""], parameters)]
        own = [PSEUDO_WAVELENGTH, INTERNAL_FLUX, INTERNAL_ERROR]
        if parameters.form is Form.SPECTRUM:
            points = str(len(parameters.grid))
            own = [replace(column, arraysize=points) for column in own]
            if parameters.with_correlation:
                own.append(replace(INTERNAL_CORRELATION, arraysize=f"{points}x{points}"))
        return {"result": result_columns(kept, [BAND, *own])}

    def run(
        self, inputs: Mapping[str, Input], parameters: ConvertParameters, context: TaskContext
    ) -> Iterator[pa.RecordBatch | Output]:
        """Convert."""
        places = np.array(parameters.grid)
        function = partial(converted, parameters=parameters)
        samples = [
            SpectraSample(context.file(name), places, title=f"Internal {band.upper()} spectra", internal=True)
            if context.wants(name)
            else None
            for band, name in PICTURES.items()
        ]
        rows = work_rows(len(places), correlated=parameters.with_correlation)
        for chunk, made in computed(inputs[""], parameters, context, function, errors=True, rows=rows):
            present = np.stack([chunk.spectra.bp.present, chunk.spectra.rp.present], axis=1)
            for sample, each, there in zip(samples, made, present.T, strict=True):
                if sample is not None:
                    sample.add(chunk.spectra.source_id[there], each.flux[there], each.error[there])
            yield _batch(chunk, made, present, places, parameters)
        for sample in samples:
            if sample is not None:
                sample.draw()


def _batch(
    chunk: Chunk,
    made: tuple[Converted, Converted],
    present: NDArray[np.bool_],
    places: NDArray[np.float64],
    parameters: ConvertParameters,
) -> pa.RecordBatch:
    """Return the rows of both bands, those of a source together."""
    source, band = np.nonzero(present)
    points = len(places)

    def both(bp: NDArray[np.float64], rp: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack([bp, rp], axis=1)[source, band]

    flux, error = (both(*(getattr(each, name) for each in made)) for name in ("flux", "error"))
    tables = [np.tile(places, (len(source), 1)), flux, error]
    if parameters.form is Form.SAMPLE:
        source, band = np.repeat(source, points), np.repeat(band, points)
        columns = [numbers(values.reshape(-1)) for values in tables]
    else:
        bp, rp = (each.correlation for each in made)
        if bp is not None and rp is not None:
            tables.append(both(bp, rp))
        columns = [arrays(values) for values in tables]
    return result_batch(chunk, [pa.array(["BP", "RP"]).take(pa.array(band)), *columns], source)
