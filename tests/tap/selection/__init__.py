"""Tests of selections: what tasks are given."""
