"""The tables of the small catalogue with a handful of rows that every test can know by heart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
import psycopg2.extensions

TABLES = """
CREATE SCHEMA data; CREATE SCHEMA upload; CREATE SCHEMA tap_schema; CREATE SCHEMA secret;
CREATE TABLE data.bright__v7 (source_id bigint PRIMARY KEY, ra double precision, dec double precision, g real,
    name text, seen timestamp, variable boolean, quality smallint, spectrum real[]);
CREATE TABLE upload.targets (id integer PRIMARY KEY, ra double precision, dec double precision,
    radius double precision, "Mixed Case" integer);
CREATE TABLE data.fields__v1 (field_id integer PRIMARY KEY, centre public.spoint, circle_ public.scircle,
    outline public.spoly, place double precision[], region_ double precision[]);
CREATE TABLE tap_schema.columns (table_name text, column_name text, size integer, std integer);
CREATE TABLE secret.hidden AS SELECT 1 AS id, 'not for you' AS word;
INSERT INTO data.bright__v7 VALUES
    (1, 10, 20, 5.5, 'Alpha', '2020-01-01T00:00:00', TRUE, 1, '{1,2,3}'),
    (2, 10.5, 20.5, 6.5, 'beta', '2020-06-01T12:30:00.5', FALSE, 2, '{4,5,6}'),
    (3, 200, -45, 7.5, 'Gamma', NULL, TRUE, 3, NULL),
    (4, 350, 89, NULL, NULL, '2021-01-01T00:00:00', NULL, NULL, '{7,8,9}'),
    (5, NULL, NULL, 9.5, 'Ωmega', '2022-01-01T00:00:00', FALSE, 255, '{0,0,0}');
INSERT INTO upload.targets VALUES (1, 10, 20, 1, 7), (2, 200, -45, 0.5, 8), (3, 1, 1, NULL, NULL), (7, 2, 2, 2, 7);
INSERT INTO data.fields__v1
SELECT i, public.spoint(radians(i * 10), radians(i * 20)),
    public.scircle(public.spoint(radians(i * 10), radians(i * 20)), radians(1.0)),
    (SELECT public.spoly(public.spoint(radians(x), radians(y)) ORDER BY k) FROM
        (VALUES (1, i * 10 - 1.0, i * 20 - 1.0), (2, i * 10 + 1.0, i * 20 - 1.0), (3, i * 10 + 1.0, i * 20 + 1.0))
        AS v (k, x, y)),
    ARRAY[i * 10, i * 20], ARRAY[i * 10 - 1.0, i * 20 - 1.0, i * 10 + 1.0, i * 20 - 1.0, i * 10 + 1.0, i * 20 + 1.0]
FROM generate_series(1, 4) AS i;
INSERT INTO tap_schema.columns VALUES ('bright', 'ra', 8, 1), ('bright', 'name', 64, 0), ('targets', 'id', 4, NULL);
CREATE INDEX ON data.bright__v7 (public.q3c_ang2ipix(ra, dec));
ANALYZE;
GRANT USAGE ON SCHEMA data, upload, tap_schema TO vo_tap;
GRANT SELECT ON ALL TABLES IN SCHEMA data, upload, tap_schema TO vo_tap;
"""
SESSION = "SET SESSION AUTHORIZATION vo_tap; SET search_path = pg_catalog; SET jit = off; SET statement_timeout = '5s'"


@contextmanager
def opened(database: str) -> Iterator[psycopg2.extensions.connection]:
    """Make the tables and give a connection in the role and under the search path of an ADQL session."""
    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(TABLES)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(SESSION)
    try:
        yield connection
    finally:
        connection.close()
