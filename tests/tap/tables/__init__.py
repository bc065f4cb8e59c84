"""Tests of how tables get into PostgreSQL."""
