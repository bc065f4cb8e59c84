"""The task ``xp-photometry``: synthetic photometry from BP/RP spectra."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
from pydantic import model_validator

from gaia.engines import Engine
from gaia.tasks.passbands import read_passbands
from gaia.tasks.photometry_columns import Group
from gaia.tasks.pictures import PhotometrySample
from gaia.tasks.spectra_run import (
    REFERENCES,
    WORK_ROWS,
    SpectraParameters,
    SpectraTask,
    computed,
    kept_columns,
    model,
    numbers,
    planned,
    result_batch,
    result_columns,
)
from gaia.xp import package
from gaia.xp.calibration import Calibration
from gaia.xp.filters import LABEL, Counting, Passband, ZeroPoint
from gaia.xp.photometry import Magnitudes, Photometry
from gaia.xp.spectra import Spectra
from gaia.xp.systems import NAMES, known, load
from uws.tasks import Input, Output, Plan, Reference, SelectionFacts, TaskContext, TaskOutput, parameter
from vo.core.errors import ParameterError
from vo.core.tables import Column

if TYPE_CHECKING:
    SystemName = str
else:
    SystemName = Literal[NAMES]

RATES = {Engine.BATCH: 20_000.0, Engine.PACKAGE: 1500.0}
"""Sources a second, measured with SDSS."""
LONGEST_FILTERS = 200_000
PICTURE = "photometry.png"


class PhotometryParameters(SpectraParameters):
    """Parameters of the task ``xp-photometry``."""

    systems: tuple[SystemName, ...] = parameter(
        (), description="Photometric systems, as GaiaXPy names them.", examples=("SDSS", "JKC_Std")
    )
    error_correction: bool = parameter(
        False,
        description="Enlarge the errors by the factors of Gaia Collaboration, Montegriffo et al. 2023, for systems "
        "that have such a table.",
    )
    filters: str | None = parameter(
        None,
        description="Passbands of your own: a name, a colon, then wavelength (nm) and transmission of each point with "
        "commas between the points; semicolons between passbands.",
        examples=("narrow: 649 0, 650 1, 660 1, 661 0",),
        max_length=LONGEST_FILTERS,
    )
    filters_zero_point: Literal["AB", "ST"] = parameter(
        "AB", description="Kind of magnitudes in passbands of your own."
    )
    filters_counting: Counting = parameter(
        Counting.PHOTON, description="What the transmissions are shares of: photons, or energy."
    )

    @model_validator(mode="after")
    def _together(self) -> PhotometryParameters:
        if not self.systems and self.filters is None:
            raise ParameterError("SYSTEMS", "is missing.", hint=f"Send one or more of {', '.join(NAMES)}; or FILTERS.")
        if self.filters is not None and self.engine is Engine.PACKAGE:
            raise ParameterError("FILTERS", "GaiaXPy takes passbands only from files.", hint="Send ENGINE=batch.")
        _ = self.passbands  # errors now, not later
        return self

    @cached_property
    def passbands(self) -> tuple[Passband, ...]:
        """The passbands of one's own."""
        if self.filters is None:
            return ()
        return read_passbands(self.filters, ZeroPoint[self.filters_zero_point], self.filters_counting)


@cache
def _photometry(parameters: PhotometryParameters) -> Photometry:
    return Photometry(model(), parameters.systems, parameters.passbands)


def generated(spectra: Spectra, parameters: PhotometryParameters) -> Magnitudes:
    """Make the photometry of some spectra; it can run in other processes."""
    if parameters.engine is Engine.PACKAGE:
        return package.generate(spectra, parameters.systems, parameters.truncation, parameters.error_correction)
    return _photometry(parameters).generate(spectra, parameters.truncation, parameters.error_correction)


class XpPhotometry(SpectraTask[PhotometryParameters]):
    """Synthetic photometry from BP/RP spectra."""

    name = "xp-photometry"
    title = "Synthetic photometry from BP/RP spectra"
    description = (
        "Makes magnitudes and fluxes, as an instrument would have measured them through its passbands, from BP/RP mean "
        "spectra in their continuous representation, which the Gaia archive calls xp_continuous_mean_spectrum.\n\n"
        "There are the 28 systems of GaiaXPy, of which the standardised ones (JKC_Std, SDSS_Std …) are adjusted to "
        "photometry of standard stars, and passbands of your own. The systems need both BP and RP; a passband of your "
        "own needs those that it reaches."
    )
    references = (
        *REFERENCES,
        Reference("Gaia Collaboration, Montegriffo et al. 2023, Gaia DR3: the Galaxy in your preferred colours", "https://doi.org/10.1051/0004-6361/202243709"),
    )  # fmt: skip
    parameters = PhotometryParameters
    outputs = (
        TaskOutput("result", "Synthetic photometry"),
        TaskOutput(PICTURE, "Photometry on spectra", "image/png"),
    )
    examples = (
        {"TABLE": "gaia_dr3.xp_continuous_mean_spectrum", "SYSTEMS": "SDSS_Std,JKC_Std", "ERROR_CORRECTION": "true"},
        {"TABLE": "gaia_dr3.xp_continuous_mean_spectrum", "FILTERS": "halpha: 649 0, 650 1, 662 1, 663 0"},
    )

    def plan(self, selections: Mapping[str, SelectionFacts], parameters: PhotometryParameters) -> Plan:
        """Read the columns that are needed, along the disk."""
        return planned(selections[""], parameters, errors=True, rate=RATES[parameters.engine])

    def columns(
        self,
        inputs: Mapping[str, tuple[Column, ...]],
        parameters: PhotometryParameters,
        plan: Plan,  # noqa: ARG002
    ) -> Mapping[str, tuple[Column, ...]]:
        """Return source_id, kept columns, and of each system the magnitudes, fluxes and errors."""
        kept = [inputs[""][place] for place in kept_columns(inputs[""], parameters)]
        own = [column for group in _groups(parameters) for column in group.columns()]
        return {"result": result_columns(kept, own)}

    def run(
        self, inputs: Mapping[str, Input], parameters: PhotometryParameters, context: TaskContext
    ) -> Iterator[pa.RecordBatch | Output]:
        """Make the photometry."""
        groups = _groups(parameters)
        function = partial(generated, parameters=parameters)
        sample = (
            PhotometrySample(context.file(PICTURE), groups, Calibration(model())) if context.wants(PICTURE) else None
        )
        for chunk, made in computed(inputs[""], parameters, context, function, errors=True, rows=WORK_ROWS):
            if sample is not None:
                sample.add(chunk.spectra, made)
            columns, first = [], 0
            for group in groups:
                place = slice(first, first + len(group.bands))
                first = place.stop
                columns += [
                    numbers(values) for each in (made.mag, made.flux, made.flux_error) for values in each[:, place].T
                ]
            yield result_batch(chunk, columns)
        if sample is not None:
            sample.draw()


def _groups(parameters: PhotometryParameters) -> list[Group]:
    systems = [load(name) for name in dict.fromkeys(map(known, parameters.systems))]
    return [
        *(Group(each.label, each.bands, tuple(each.wavelengths.tolist()), each.unit) for each in systems),
        *(Group(LABEL, (own.name,), (own.mean_wavelength,), own.unit) for own in parameters.passbands),
    ]
