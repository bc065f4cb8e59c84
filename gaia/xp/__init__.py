"""Kernels of BP/RP mean spectra: calibration, conversion, synthetic photometry; NumPy on arrays of many sources."""
