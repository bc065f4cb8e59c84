"""FITS binary tables, with the VOTable that describes them before them."""

from vo.core.tables.writers.fits.writer import FitsWriter

__all__ = ["FitsWriter"]
