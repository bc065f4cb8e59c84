"""Kernels of Gaia's nominal scanning law: where its two fields of view looked, and when they saw a direction."""
