"""TAP: ADQL, TAP_SCHEMA, queries and the ingest of catalogues."""
