"""A small catalogue that all tests of the package share, and how they ask the database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg2
import psycopg2.extensions
import pytest

from sql import read_sql
from tap.adql import Catalogue, CatalogueColumn, CatalogueTable, Dialect, translate
from tests.tap.adql.tables import Plan, Rows, Run, adql_session, make_few_rows
from vo.core.settings import Settings
from vo.core.tables import Column, Datatype

DOUBLE = "double precision"


def column(name: str, sql_type: str = DOUBLE, datatype: Datatype = Datatype.DOUBLE, **rest: Any) -> CatalogueColumn:
    """Describe a published column."""
    own = {key: rest.pop(key) for key in ("sql_name", "unique", "indexed") if key in rest}
    return CatalogueColumn(Column(name, datatype, **rest), sql_type, **own)


STARS = CatalogueTable(
    "gaia_dr3.bright",
    ("data", "bright__v7"),
    (
        column("source_id", "bigint", Datatype.LONG, ucd="meta.id;meta.main", description="Identifier", unique=True),
        column("ra", unit="deg", ucd="pos.eq.ra;meta.main", utype="stc:ra", description="Right ascension"),
        column("dec", unit="deg", ucd="pos.eq.dec;meta.main"),
        column("phot_g_mean_mag", "real", Datatype.FLOAT, unit="mag", ucd="phot.mag;em.opt", sql_name="g"),
        column("name", "text", Datatype.CHAR, arraysize="*"),
        column("seen", "timestamp without time zone", Datatype.CHAR, arraysize="*", xtype="timestamp"),
        column("variable", "boolean", Datatype.BOOLEAN),
        column("quality", "smallint", Datatype.UNSIGNED_BYTE),
        column("spectrum", "real[]", Datatype.FLOAT, arraysize="3"),
    ),
    20_000,
    ("ra", "dec"),
)
FIELDS = CatalogueTable(
    "gaia_dr3.fields",
    ("data", "fields__v1"),
    (
        column("field_id", "integer", Datatype.INT, unique=True),
        column("centre", "spoint", arraysize="2", xtype="point", unit="deg"),
        column("circle_", "scircle", arraysize="3", xtype="circle", unit="deg"),
        column("outline", "spoly", arraysize="*", xtype="polygon", unit="deg"),
        column("place", "double precision[]", arraysize="2", xtype="point", unit="deg"),
        column("region_", "double precision[]", arraysize="*", xtype="polygon", unit="deg"),
    ),
    50,
)
TARGETS = CatalogueTable(
    "tap_upload.targets",
    ("upload", "targets"),
    (
        column("id", "integer", Datatype.INT, unique=True),
        column("ra"),
        column("dec"),
        column("radius", unit="deg"),
        column("Mixed Case", "integer", Datatype.INT),
    ),
    100,
)
COLUMNS = CatalogueTable(
    "TAP_SCHEMA.columns",
    ("tap_schema", "columns"),
    (
        column("table_name", "text", Datatype.CHAR, arraysize="64*"),
        column("column_name", "text", Datatype.CHAR, arraysize="64*"),
        column("size", "integer", Datatype.INT),
        column("std", "integer", Datatype.INT),
    ),
    500,
)


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    """Return the catalogue."""
    return Catalogue(1, [STARS, FIELDS, TARGETS, COLUMNS])


@pytest.fixture(scope="module")
def database(cluster: Settings) -> Iterator[str]:
    """The libpq URL of a database with the extensions, as superuser, that the tests of a module share."""
    url = cluster.url("postgres")
    admin = psycopg2.connect(url.set(database="postgres").render_as_string(hide_password=False))
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute("CREATE DATABASE adql_tests")
    own = url.set(database="adql_tests").render_as_string(hide_password=False)
    with psycopg2.connect(own) as connection, connection.cursor() as cursor:
        cursor.execute(read_sql("setup.sql"))
        cursor.execute(read_sql("migrations/0003_functions.sql"))
    connection.close()
    yield own
    with admin.cursor() as cursor:
        cursor.execute("DROP DATABASE adql_tests WITH (FORCE)")
    admin.close()


@pytest.fixture(scope="module")
def connection(database: str) -> Iterator[psycopg2.extensions.connection]:
    """A connection as vo_tap to the tables of the catalogue with few rows; a module may have its own instead."""
    with adql_session(database, make_few_rows, seconds=5) as connection:
        yield connection


@pytest.fixture
def run(connection: psycopg2.extensions.connection, catalogue: Catalogue) -> Run:
    """Return a function that gives the rows of a query."""

    def execute(query: str, dialect: Dialect | None = None) -> Rows:
        with connection.cursor() as cursor:
            cursor.execute(translate(query, catalogue, dialect=dialect).sql)
            return list(cursor.fetchall())

    return execute


@pytest.fixture
def plan(connection: psycopg2.extensions.connection, catalogue: Catalogue) -> Plan:
    """Return a function that gives PostgreSQL's plan of a query."""

    def explain(query: str) -> str:
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN " + translate(query, catalogue).sql)
            return "\n".join(row[0] for row in cursor)

    return explain
