"""Kernels of BP/RP mean spectra: calibration, conversion, synthetic photometry; NumPy on arrays of many sources.

=========================  =============================================================================================
`gaia.xp.spectra`          many spectra in their continuous representation, as arrays
`gaia.xp.model`            the calibration of DR3 as GaiaXPy distributes it: basis functions, dispersion, response
`gaia.xp.covariance`       errors and covariances of linear functions of the coefficients
`gaia.xp.sampling`         grids as clients give them
`gaia.xp.calibration`      flux over wavelength
`gaia.xp.conversion`       internal flux over pseudo-wavelength
`gaia.xp.photometry`       synthetic photometry in GaiaXPy's systems: `systems`, `colour_equations`, `errors`
`gaia.xp.filters`          synthetic photometry in passbands of one's own
`gaia.xp.package`          GaiaXPy itself, on the same arrays
=========================  =============================================================================================

What the kernels compute is GaiaXPy's, to the rounding of doubles; they compute it for many sources at once.
"""
