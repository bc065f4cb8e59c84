"""Computations with Gaia's data: BP/RP spectra, the scanning law, and the tasks that offer them.

=====================  =================================================================================================
`gaia.releases`        what is true of a data release: reference epoch, licence, how to acknowledge it
`gaia.engines`         our kernels and the published packages, of which a task runs one
`gaia.xp`              kernels of BP/RP mean spectra: calibration, conversion, synthetic photometry
`gaia.scanning`        kernels of the nominal scanning law: when Gaia saw which direction
`gaia.plots`           pictures of results
`gaia.tasks`           the tasks
`gaia.catalogues`      descriptions of tables of the archive, for operators who load them
`gaia.gost`            observation forecasts by the protocols of the Virtual Observatory
=====================  =================================================================================================

Kernels take arrays and return arrays; they know neither tables nor HTTP nor the database.
"""
