"""The 28 photometric systems of GaiaXPy: bands, zero points, and what each band makes of the coefficients.

The integral of a calibrated spectrum over a passband is linear in the coefficients of the spectrum, so a band is a
vector of 55 numbers for BP and one for RP. GaiaXPy's distribution has these vectors, one file a system (Montegriffo et
al. 2023, A&A 674, A33).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from string import capwords

import numpy as np
from lxml import etree
from numpy.typing import NDArray

from gaia.xp.model import MODELS, distribution_folder, numbers, read_sampled
from vo.core.errors import ParameterError

NAMES = (
    "DECam",
    "Els_Custom_W09_S2",
    "Euclid_VIS",
    "Gaia_2",
    "Gaia_DR3_Vega",
    "Halpha_Custom_AB",
    "H_Custom",
    "Hipparcos_Tycho",
    "HST_ACSWFC",
    "HST_HUGS_Std",
    "HST_WFC3UVIS",
    "HST_WFPC2",
    "IPHAS",
    "JKC",
    "JKC_Std",
    "JPAS",
    "JPLUS",
    "JWST_NIRCAM",
    "LSST",
    "PanSTARRS1",
    "PanSTARRS1_Std",
    "Pristine",
    "SDSS",
    "SDSS_Std",
    "Sky_Mapper",
    "Stromgren",
    "Stromgren_Std",
    "WFIRST",
)
"""As GaiaXPy writes the members of its PhotometricSystem."""
GAIA = "Gaia_DR3_Vega"
"""The system whose G tells how much errors are underestimated."""
FAULTY = (("HalphaCustomAb", "Halpha01nm"),)
"""Bands (label of the system, name) that make no sense in GaiaXPy 2.1.5: its file has numbers of 1e60. So have we."""
PER_FREQUENCY = "W.m**-2.Hz**-1"
PER_WAVELENGTH = "W.m**-2.nm**-1"


@dataclass(frozen=True, slots=True)
class System:
    """A photometric system of k bands.

    Attributes
    ----------
    name : str
        ``SDSS_Std``.
    label : str
        As names of columns begin: ``SdssStd``.
    bands : tuple of str
        Their names.
    wavelengths : numpy.ndarray
        Mean wavelengths of the bands in nm.
    zero_points : numpy.ndarray
        Magnitude of the flux 1.
    offsets : numpy.ndarray
        Fluxes that are added to those of standardised systems.
    bp, rp : numpy.ndarray
        What a band makes of the coefficients, shape (55, k).
    """

    name: str
    label: str
    bands: tuple[str, ...]
    wavelengths: NDArray[np.float64]
    zero_points: NDArray[np.float64]
    offsets: NDArray[np.float64]
    bp: NDArray[np.float64]
    rp: NDArray[np.float64]

    @property
    def standardised(self) -> bool:
        """Whether its fluxes were adjusted to photometry of standard stars."""
        return self.name.endswith("_Std")

    @property
    def unit(self) -> str:
        """The unit of fluxes: of a frequency for AB magnitudes, of a wavelength for Vega magnitudes."""
        return PER_FREQUENCY if self.zero_points[0] < -40 else PER_WAVELENGTH


def known(name: str) -> str:
    """Return the name of a system as GaiaXPy writes it, from one in any case.

    Raises
    ------
    ParameterError
        If there is no such system.
    """
    for candidate in NAMES:
        if candidate.casefold() == name.strip().casefold():
            return candidate
    raise ParameterError("SYSTEMS", f"there is no photometric system {name!r}.", hint=f"There are {', '.join(NAMES)}.")


def label(name: str) -> str:
    """Return how the names of a system's columns begin."""
    return capwords(name.replace("_", " ")).replace(" ", "")


@lru_cache(maxsize=len(NAMES))
def load(name: str) -> System:
    """Return a system by its name as GaiaXPy writes it."""
    file = distribution_folder() / "config" / "filters" / f"XpFilter_{label(name)}_{''.join(MODELS.values())}.xml"
    root = etree.parse(file).getroot()
    sampled = read_sampled(file)
    return System(
        name=name,
        label=label(name),
        bands=tuple(str(item.text) for item in root.iterfind("bands/item")),
        wavelengths=sampled.wavelength,
        zero_points=numbers(root, "zeropoints"),
        offsets=numbers(root, "fluxBias"),
        bp=sampled.bp.design * sampled.bp.weight,
        rp=sampled.rp.design * sampled.rp.weight,
    )
