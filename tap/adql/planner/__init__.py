"""Conditions and joins: which index serves them, which table drives, and how FROM is written."""
