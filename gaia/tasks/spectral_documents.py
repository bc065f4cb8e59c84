"""Spectra as documents of the IVOA: a ZIP file of one VOTable a spectrum, with the utypes of the Spectral Data Model.

The model also wants position and time of the observation, which the table of coefficients does not tell.

Sources
-------
IVOA Spectral Data Model 1.1, section 4 and appendix C (VOTable serialisation); Simple Spectral Access 1.1, section 4.2.
"""

from __future__ import annotations

import base64
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from gaia.releases import LICENCE, Release
from gaia.tasks.spectra_columns import FLUX, FLUX_ERROR, WAVELENGTH
from vo.core.tables import Column
from vo.core.xml import attribute

_ROW = np.dtype([("flags", "u1"), ("wavelength", ">f8"), ("flux", ">f8"), ("flux_error", ">f8")])


class SpectralDocuments:
    """A ZIP file while it is written.

    Parameters
    ----------
    path : pathlib.Path
        Where it is made.
    wavelength : numpy.ndarray
        In nm, shape (m,), of all spectra.
    release : Release
        Whose spectra they are.
    made_by : mapping of str to str
        How they were made, by names of INFOs.
    """

    def __init__(
        self, path: Path, wavelength: NDArray[np.float64], release: Release, made_by: Mapping[str, str]
    ) -> None:
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        self._wavelength = wavelength
        self._release = release
        infos = release.facts() | dict(made_by)
        self._infos = "".join(
            f"<INFO{attribute('name', name)}{attribute('value', value)}/>\n" for name, value in infos.items()
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    def add(self, sources: NDArray[np.int64], flux: NDArray[np.float64], error: NDArray[np.float64] | None) -> None:
        """Write a document for each source; `flux` and `error` (W m-2 nm-1) have the shape (n, m)."""
        errors = np.full_like(flux, np.nan) if error is None else error
        for source, fluxes, each in zip(sources.tolist(), flux, errors, strict=True):
            self._zip.writestr(f"gaia-{source}.vot", self._document(source, fluxes, each))

    def _document(self, source: int, flux: NDArray[np.float64], error: NDArray[np.float64]) -> str:
        known = np.isfinite(flux)
        wavelength = self._wavelength[known]
        rows = np.zeros(len(wavelength), _ROW)
        rows["wavelength"], rows["flux"], rows["flux_error"] = wavelength, flux[known], error[known]
        rows["flags"] = np.where(np.isfinite(rows["flux_error"]), 0, 0b0010_0000)
        release = self._release
        values: dict[str, str | int | float] = {
            "DataModel": "Spectrum-1.1",
            "Length": len(wavelength),
            "SpectralSI": "10-9 L",
            "FluxSI": "10+9 ML-1T-3",
            "Target.Name": f"{release.name} {source}",
            "DataID.Title": f"BP/RP mean spectrum of {release.name} {source}",
            "DataID.Collection": release.name,
            "DataID.Creator": "ESA/Gaia/DPAC",
            "DataID.CreationType": "derived",
            "Curation.Publisher": "ESA/Gaia/DPAC",
            "Curation.Rights": LICENCE,
            "Curation.Reference": release.citation,
        }
        if len(wavelength):
            first, last = float(wavelength[0]), float(wavelength[-1])
            values |= {
                f"{_COVERAGE}.Location.Value": (first + last) / 2,
                f"{_COVERAGE}.Bounds.Extent": last - first,
                f"{_COVERAGE}.Bounds.Start": first,
                f"{_COVERAGE}.Bounds.Stop": last,
            }
        parameters = "".join(_parameter(utype, value) for utype, value in values.items())
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">\n'
            f'<RESOURCE utype="spec:Spectrum">\n{self._infos}'
            f'<TABLE name="gaia_{source}" utype="spec:Spectrum" nrows="{len(rows)}">\n{parameters}{_FIELDS}'
            f'<DATA><BINARY2><STREAM encoding="base64">{base64.b64encode(rows.tobytes()).decode()}</STREAM>'
            "</BINARY2></DATA>\n</TABLE>\n</RESOURCE>\n</VOTABLE>\n"
        )


def _parameter(utype: str, value: str | float) -> str:
    datatype = {str: "char", int: "long", float: "double"}[type(value)]
    return (
        f"<PARAM{attribute('name', utype.replace('.', ''))}{attribute('utype', f'spec:Spectrum.{utype}')}"
        f"{attribute('ucd', _UCDS.get(utype))}{attribute('unit', _UNITS.get(utype))}{attribute('datatype', datatype)}"
        f"{attribute('arraysize', '*' if datatype == 'char' else None)}{attribute('value', str(value))}/>\n"
    )


def _field(column: Column, utype: str) -> str:
    return (
        f'<FIELD name="{column.name}" datatype="double"{attribute("utype", f"spec:Spectrum.Data.{utype}")}'
        f"{attribute('unit', column.unit)}{attribute('ucd', column.ucd)}/>\n"
    )


_COVERAGE = "Char.SpectralAxis.Coverage"
_UCDS = {
    "Length": "meta.number",
    "Target.Name": "meta.id;src",
    "DataID.Title": "meta.title",
    "Curation.Publisher": "meta.curation",
    "Curation.Reference": "meta.bib",
    f"{_COVERAGE}.Location.Value": "em.wl;instr.bandpass",
    f"{_COVERAGE}.Bounds.Extent": "em.wl;instr.bandwidth",
    f"{_COVERAGE}.Bounds.Start": "em.wl;stat.min",
    f"{_COVERAGE}.Bounds.Stop": "em.wl;stat.max",
}
_UNITS = {name: "nm" for name in _UCDS if name.startswith(_COVERAGE)}
_FIELDS = (
    _field(WAVELENGTH, "SpectralAxis.Value")
    + _field(FLUX, "FluxAxis.Value")
    + _field(FLUX_ERROR, "FluxAxis.Accuracy.StatError")
)
