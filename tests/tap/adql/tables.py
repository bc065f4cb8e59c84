"""The tables of the small catalogue in PostgreSQL, and sessions as ADQL's: role, search path and limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import psycopg2
import psycopg2.extensions

Rows: TypeAlias = list[tuple[Any, ...]]
Run: TypeAlias = Callable[..., Rows]
Plan: TypeAlias = Callable[[str], str]

TABLES = """
CREATE SCHEMA data; CREATE SCHEMA upload; CREATE SCHEMA tap_schema;
CREATE TABLE data.bright__v7 (source_id bigint PRIMARY KEY, ra double precision, dec double precision, g real,
    name text, seen timestamp, variable boolean, quality smallint, spectrum real[]);
CREATE TABLE upload.targets (id integer PRIMARY KEY, ra double precision, dec double precision,
    radius double precision, "Mixed Case" integer);
CREATE TABLE data.fields__v1 (field_id integer PRIMARY KEY, centre public.spoint, circle_ public.scircle,
    outline public.spoly, place double precision[], region_ double precision[]);
CREATE TABLE tap_schema.columns (table_name text, column_name text, size integer, std integer);
"""
FEW_ROWS = """
CREATE SCHEMA secret; CREATE TABLE secret.hidden AS SELECT 1 AS id, 'not for you' AS word;
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
"""
"""Rows that every test can know by heart, and a table that no query may read."""

FINISHED = """
CREATE INDEX ON data.bright__v7 (public.q3c_ang2ipix(ra, dec)); ANALYZE;
GRANT USAGE ON SCHEMA data, upload, tap_schema TO vo_tap;
GRANT SELECT ON ALL TABLES IN SCHEMA data, upload, tap_schema TO vo_tap;
"""
"""What follows when the rows are in."""


def make_few_rows(cursor: psycopg2.extensions.cursor) -> None:
    """Make the tables with `FEW_ROWS`."""
    cursor.execute(TABLES + FEW_ROWS + FINISHED)


def become_adql(cursor: psycopg2.extensions.cursor, *, seconds: int = 20) -> None:
    """Make a session of a superuser what an ADQL session is."""
    cursor.execute(
        "SET SESSION AUTHORIZATION vo_tap; SET search_path = pg_catalog; SET jit = off; "
        f"SET statement_timeout = '{seconds}s'"
    )


@contextmanager
def adql_session(
    database: str, make: Callable[[psycopg2.extensions.cursor], None], *, seconds: int = 20
) -> Iterator[psycopg2.extensions.connection]:
    """Make tables as superuser, then give the connection in the role and under the search path of an ADQL session.

    Parameters
    ----------
    database : str
        libpq URL, as superuser.
    make : callable
        Makes the tables.
    seconds : int
        After which a statement is stopped.
    """
    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        make(cursor)
    connection.autocommit = True
    with connection.cursor() as cursor:
        become_adql(cursor, seconds=seconds)
    try:
        yield connection
    finally:
        connection.close()
