"""Queries: from a request's parameters to the last byte of the result."""

SERVICE = "tap"
"""Name of the job list of asynchronous queries."""
