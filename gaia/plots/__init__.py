"""Pictures of results: arrays in, a PNG file out.

=========================  =============================================================================================
`gaia.plots.style`         how all of them look, and the credit line
`gaia.plots.spectra`       spectra: a few one by one, many as a distribution
`gaia.plots.photometry`    synthetic photometry on its spectrum
`gaia.plots.transits`      transits of targets over time and sky
=========================  =============================================================================================

They take a second to import, for matplotlib's sake: import them where a picture is drawn.
"""
