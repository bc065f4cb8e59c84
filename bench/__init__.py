"""Benchmarks: ``scripts/bench`` measures the service against what PostgreSQL can do in the same run."""
