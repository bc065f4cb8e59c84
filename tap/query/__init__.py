"""Queries: from a request's parameters to the last byte of the result."""
