"""Columns of synthetic photometry, named as GaiaXPy names them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gaia.xp.systems import FAULTY
from vo.core.tables import Column, Datatype


@dataclass(frozen=True, slots=True)
class Group:
    """The passbands of a system, or one of one's own.

    Attributes
    ----------
    label : str
        As names of columns begin.
    bands : tuple of str
        Their names.
    wavelengths : tuple of float
        Mean ones, in nm.
    unit : str
        Of their fluxes.
    """

    label: str
    bands: tuple[str, ...]
    wavelengths: tuple[float, ...]
    unit: str

    def columns(self) -> Iterator[Column]:
        """Yield the columns of the result."""
        kind = "phot.flux.density"
        for name, ucd, unit, words in (
            ("mag", "phot.mag", "mag", "magnitude"),
            ("flux", kind, self.unit, "flux"),
            ("flux_error", f"stat.error;{kind}", self.unit, "error of the flux"),
        ):
            for band, wavelength in zip(self.bands, self.wavelengths, strict=True):
                yield Column(
                    f"{self.label}_{name}_{band}",
                    Datatype.DOUBLE,
                    unit=unit,
                    ucd=f"{ucd};{spectral_ucd(wavelength)}",
                    description=f"Synthetic {words} {band} of {self.label}{self._remark(band)}",
                )

    def _remark(self, band: str) -> str:
        return "; meaningless, GaiaXPy's file has wrong numbers" if (self.label, band) in FAULTY else ""


def spectral_ucd(wavelength: float) -> str:
    """Return the word of UCD1+ for the part of the spectrum around a wavelength (nm)."""
    for end, word in ((400, "em.opt.U"), (500, "em.opt.B"), (600, "em.opt.V"), (750, "em.opt.R"), (1000, "em.opt.I")):
        if wavelength < end:
            return word
    return "em.IR.J"
