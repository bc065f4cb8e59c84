"""Geometry: points and regions, their tests in SQL, and the ranges of the sky index that hold them."""
