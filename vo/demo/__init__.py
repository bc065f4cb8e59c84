"""Demonstration catalogues: real stars from two packages, and as many synthetic ones as a test of size needs."""
