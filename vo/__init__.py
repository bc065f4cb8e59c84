"""A Virtual Observatory service stack: PostgreSQL with Q3C behind TAP, UWS and SAMP."""

__version__ = "0.1.0"
