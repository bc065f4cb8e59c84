"""Columns of the results of tasks on BP/RP spectra."""

from __future__ import annotations

from vo.core.tables import Column, Datatype

SOURCE_ID = Column("source_id", Datatype.LONG, ucd="meta.id;meta.main", description="Source identifier")
WAVELENGTH = Column("wavelength", Datatype.DOUBLE, unit="nm", ucd="em.wl", description="Wavelength in vacuum")
FLUX = Column(
    "flux",
    Datatype.DOUBLE,
    unit="W.m-2.nm-1",
    ucd="phot.flux.density;em.wl",
    description="Mean flux, externally calibrated",
)
FLUX_ERROR = Column(
    "flux_error",
    Datatype.DOUBLE,
    unit="W.m-2.nm-1",
    ucd="stat.error;phot.flux.density;em.wl",
    description="Error of the flux",
)
FLUX_CORRELATION = Column(
    "flux_correlation",
    Datatype.DOUBLE,
    ucd="stat.correlation;phot.flux.density;em.wl",
    description="Correlations of the fluxes of a spectrum",
)
BAND = Column("xp", Datatype.CHAR, arraysize="2", ucd="meta.id;instr.bandpass", description="BP or RP")
PSEUDO_WAVELENGTH = Column(
    "pseudo_wavelength",
    Datatype.DOUBLE,
    ucd="pos.cartesian.x;instr.pixel",
    description="Place along the dispersion, in samples of the instrument",
)
INTERNAL_FLUX = Column(
    "flux",
    Datatype.DOUBLE,
    unit="'electron'.s**-1",
    ucd="phot.flux.density",
    description="Mean flux in a sample, internally calibrated",
)
INTERNAL_ERROR = Column(
    "flux_error",
    Datatype.DOUBLE,
    unit="'electron'.s**-1",
    ucd="stat.error;phot.flux.density",
    description="Error of the flux",
)
INTERNAL_CORRELATION = Column(
    "flux_correlation",
    Datatype.DOUBLE,
    ucd="stat.correlation;phot.flux.density",
    description="Correlations of the fluxes of a spectrum",
)
