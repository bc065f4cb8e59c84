"""The task ``xp-calibrate``: spectra in absolute flux over wavelength."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import model_validator

from gaia.engines import Engine
from gaia.releases import DR3
from gaia.tasks.pictures import SpectraSample
from gaia.tasks.spectra_columns import FLUX, FLUX_CORRELATION, FLUX_ERROR, WAVELENGTH
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
    made_by,
    model,
    numbers,
    planned,
    result_batch,
    result_columns,
    work_rows,
)
from gaia.tasks.spectral_documents import SpectralDocuments
from gaia.xp import package
from gaia.xp.calibration import Calibration
from gaia.xp.sampling import wavelengths
from gaia.xp.spectra import Spectra
from uws.tasks import Input, Output, Plan, SelectionFacts, TaskContext, TaskOutput, parameter
from vo.core.errors import ParameterError
from vo.core.tables import Column

SHORTEST, LONGEST = 330.0, 1050.0
"""Wavelengths that the calibration knows (nm)."""
SHORTEST_STEP = 1e-6
RATES = {Engine.BATCH: 20_000.0, Engine.PACKAGE: 800.0}
"""Spectra with errors a second, measured on the default grid."""


class CalibrateParameters(SpectraParameters):
    """Parameters of the task ``xp-calibrate``."""

    sampling: tuple[float, ...] = parameter(
        (),
        description="Wavelengths, ascending; otherwise those from WAVELENGTH_MIN to WAVELENGTH_MAX.",
        unit="nm",
        ucd="em.wl",
        examples=(400, 550, 700),
    )
    wavelength_min: float = parameter(
        336.0, description="First wavelength.", unit="nm", ucd="em.wl;stat.min", ge=SHORTEST, le=LONGEST
    )
    wavelength_max: float = parameter(
        1020.0, description="Last wavelength.", unit="nm", ucd="em.wl;stat.max", ge=SHORTEST, le=LONGEST
    )
    wavelength_step: float = parameter(
        2.0, description="Distance of wavelengths.", unit="nm", ge=SHORTEST_STEP, le=LONGEST
    )
    with_errors: bool = parameter(True, description="Also the errors of the fluxes; without, it is much faster.")
    with_correlation: bool = parameter(
        False, description="Also the correlations of the fluxes, as many numbers for each source as points squared."
    )
    form: Form = parameter(
        Form.SPECTRUM,
        description="spectrum: one spectrum a row, as arrays. sample: one wavelength of one spectrum a row.",
    )
    documents: bool = parameter(
        False,
        description="Also make a ZIP file of one VOTable a spectrum, in the IVOA's Spectral Data Model, as services of "
        "the Simple Spectral Access protocol give them.",
    )

    @model_validator(mode="after")
    def _together(self) -> CalibrateParameters:
        if self.wavelength_min > self.wavelength_max:
            raise ParameterError("WAVELENGTH_MAX", "is less than WAVELENGTH_MIN.")
        if self.with_correlation and not self.with_errors:
            raise ParameterError("WITH_CORRELATION", "is asked for without errors.", hint="Send WITH_ERRORS=true.")
        if self.with_correlation and self.form is Form.SAMPLE:
            raise ParameterError("WITH_CORRELATION", "belongs to whole spectra.", hint="Send FORM=spectrum.")
        most = CORRELATED_POINTS if self.with_correlation else MOST_POINTS
        points = len(self.sampling) or int((self.wavelength_max - self.wavelength_min) / self.wavelength_step) + 1
        if points > most:
            name = "SAMPLING" if self.sampling else "WAVELENGTH_STEP"
            raise ParameterError(name, f"makes {points:,} points; at most {most:,} can be had.")
        if self.sampling:
            wavelengths(np.array(self.sampling))
        return self

    @property
    def grid(self) -> tuple[float, ...]:
        """The wavelengths in nm; empty for the grid that is GaiaXPy's default."""
        if self.sampling:
            return self.sampling
        own = (self.wavelength_min, self.wavelength_max, self.wavelength_step)
        if own == (336.0, 1020.0, 2.0):
            return ()
        count = int((self.wavelength_max - self.wavelength_min) / self.wavelength_step * (1 + 1e-12)) + 1
        return tuple((self.wavelength_min + self.wavelength_step * np.arange(count)).tolist())


@dataclass(frozen=True, slots=True)
class Calibrated:
    """Fluxes (W m-2 nm-1) of n sources at m wavelengths, and what was asked for besides."""

    flux: NDArray[np.float64]
    error: NDArray[np.float64] | None
    correlation: NDArray[np.float64] | None


@cache
def _calibration(grid: tuple[float, ...]) -> Calibration:
    return Calibration(model(), np.array(grid) if grid else None)


def calibrated(spectra: Spectra, parameters: CalibrateParameters) -> Calibrated:
    """Calibrate some spectra; it can run in other processes."""
    grid, truncation, correlated = parameters.grid, parameters.truncation, parameters.with_correlation
    if parameters.engine is Engine.PACKAGE:
        made = package.calibrate(
            spectra,
            np.array(grid) if grid else None,
            truncation=truncation,
            with_correlation=parameters.with_correlation,
        )
        return Calibrated(made.flux, made.error if parameters.with_errors else None, made.correlation)
    calibration = _calibration(grid)
    return Calibrated(
        calibration.flux(spectra, truncation),
        calibration.errors(spectra, truncation) if parameters.with_errors else None,
        calibration.correlations(spectra, truncation) if correlated else None,
    )


DOCUMENTS = "spectra.zip"
PICTURE = "spectra.png"
TITLE = "Calibrated BP/RP spectra"


class XpCalibrate(SpectraTask[CalibrateParameters]):
    """Externally calibrated BP/RP spectra."""

    name = "xp-calibrate"
    title = TITLE
    description = (
        "Makes spectra in absolute flux over wavelength from BP/RP mean spectra in their continuous representation, "
        "which the Gaia archive calls xp_continuous_mean_spectrum.\n\n"
        "A source that has only one of BP and RP has fluxes where that one alone counts, and no numbers elsewhere. "
        "Errors follow from the covariance of the coefficients; those of neighbouring wavelengths are correlated, "
        "which WITH_CORRELATION tells."
    )
    parameters = CalibrateParameters
    outputs = (
        TaskOutput("result", "Calibrated spectra", columns=(WAVELENGTH, FLUX, FLUX_ERROR)),
        TaskOutput(DOCUMENTS, "One VOTable a spectrum", "application/zip"),
        TaskOutput(PICTURE, TITLE, "image/png"),
    )
    examples = ({"TABLE": "gaia_dr3.xp_continuous_mean_spectrum"},)
    preload = ("gaia.xp.calibration", "scipy.interpolate")

    def plan(self, selections: Mapping[str, SelectionFacts], parameters: CalibrateParameters) -> Plan:
        """Read the columns that are needed, along the disk."""
        points = len(parameters.grid) or 343
        rate = RATES[parameters.engine] * 343 / max(points, 100) * (1.0 if parameters.with_errors else 10.0)
        return planned(
            selections[""],
            parameters,
            errors=_errors(parameters),
            rate=rate,
            rows_each=points if parameters.form is Form.SAMPLE else 1,
        )

    def columns(
        self,
        inputs: Mapping[str, tuple[Column, ...]],
        parameters: CalibrateParameters,
        plan: Plan,  # noqa: ARG002
    ) -> Mapping[str, tuple[Column, ...]]:
        """Return source_id, kept columns, wavelengths, fluxes and their errors."""
        kept = [inputs[""][place] for place in kept_columns(inputs[""], parameters)]
        own = [WAVELENGTH, FLUX, *([FLUX_ERROR] if parameters.with_errors else [])]
        if parameters.form is Form.SPECTRUM:
            points = str(len(parameters.grid) or 343)
            own = [replace(column, arraysize=points) for column in own]
            if parameters.with_correlation:
                own.append(replace(FLUX_CORRELATION, arraysize=f"{points}x{points}"))
        return {"result": result_columns(kept, own)}

    def run(
        self, inputs: Mapping[str, Input], parameters: CalibrateParameters, context: TaskContext
    ) -> Iterator[pa.RecordBatch | Output]:
        """Calibrate."""
        wavelength = _calibration(parameters.grid).wavelength
        function = partial(calibrated, parameters=parameters)
        sample = SpectraSample(context.file(PICTURE), wavelength, title=TITLE) if context.wants(PICTURE) else None
        rows = work_rows(len(wavelength), correlated=parameters.with_correlation)
        work = computed(
            inputs[""],
            parameters,
            context,
            function,
            errors=_errors(parameters),
            rows=rows,
            resumable=not parameters.documents,
        )
        with ExitStack() as stack:
            documents = None
            if parameters.documents and context.wants(DOCUMENTS):
                documents = stack.enter_context(
                    SpectralDocuments(context.file(DOCUMENTS), wavelength, DR3, made_by(parameters))
                )
            for chunk, made in work:
                for each in (sample, documents):
                    if each is not None:
                        each.add(chunk.spectra.source_id, made.flux, made.error)
                yield _batch(chunk, made, wavelength, parameters)
        if sample is not None:
            sample.draw()


def _errors(parameters: CalibrateParameters) -> bool:
    """Return whether errors of coefficients are needed; GaiaXPy does not go without."""
    return parameters.with_errors or parameters.engine is Engine.PACKAGE


def _batch(
    chunk: Chunk, made: Calibrated, wavelength: NDArray[np.float64], parameters: CalibrateParameters
) -> pa.RecordBatch:
    """Return rows of the result."""
    count, points = made.flux.shape
    tables = [np.tile(wavelength, (count, 1)), made.flux, *([] if made.error is None else [made.error])]
    if parameters.form is Form.SAMPLE:
        columns = [numbers(values.reshape(-1)) for values in tables]
        return result_batch(chunk, columns, np.repeat(np.arange(count), points))
    if made.correlation is not None:
        tables.append(made.correlation)
    return result_batch(chunk, [arrays(values) for values in tables])
