"""Queries that try to leave what is published, through HTTP: the parser answers, with 400."""

from __future__ import annotations

import re

import pytest

from tests.conftest import BIG_ROWS, Service
from tests.tap.asking import adql, assert_error

ATTACKS = [
    "SELECT * FROM pg_catalog.pg_user",
    "SELECT * FROM pg_stat_activity",
    "SELECT * FROM information_schema.tables",
    'SELECT * FROM "pg_catalog"."pg_authid"',
    "SELECT * FROM vo.published_tables",
    "SELECT * FROM vo.catalogue",
    "SELECT * FROM {physical}",
    'SELECT * FROM "{schema}"."{name}"',
    "SELECT * FROM {name}",
    "SELECT pg_sleep(10) FROM demo.big",
    "SELECT pg_catalog.pg_sleep(10) FROM demo.big",
    "SELECT pg_read_file('/etc/passwd') FROM demo.big",
    "SELECT set_config('role', 'postgres', false) FROM demo.big",
    "SELECT query_to_xml('select 1', true, true, '') FROM demo.big",
    "SELECT lo_import('/etc/passwd') FROM demo.big",
    "SELECT version() FROM demo.big",
    "SELECT q3c_nearby_it(ra, dec, 1, 1) FROM demo.big",
    "SELECT ctid, xmin FROM demo.big",
    "SELECT ra::text FROM demo.big",
    "SELECT ra FROM demo.big; DROP TABLE demo.big",
    "SELECT ra FROM demo.big; SELECT dec FROM demo.big",
    "SELECT ra FROM demo.big WHERE ra = $1",
    "SELECT $$a$$ FROM demo.big",
    "SELECT ra FROM demo.big /* */",
    "WITH gone AS (DELETE FROM demo.big RETURNING ra) SELECT * FROM gone",
    "SELECT ra INTO copy FROM demo.big",
    "COPY demo.big TO '/tmp/x'",
    "COPY (SELECT 1) TO PROGRAM 'id'",
    "SET ROLE postgres",
    "EXPLAIN SELECT ra FROM demo.big",
    "DROP TABLE demo.big",
    "SELECT generate_series(1, 1000000000) FROM demo.big",
    "SELECT ra FROM demo.big WHERE 1 = 1 --\n; DELETE FROM demo.big",
    "SELECT * FROM uws.jobs",
    "SELECT * FROM vo_udf.space_motion",
    "SELECT big FROM demo.big",
    "SELECT t1.ra FROM demo.big",
    "SELECT nextval('vo.table_version') FROM demo.big",
    "SELECT vo.catalogue_changed() FROM demo.big",
    "SELECT pg_notify('vo_catalogue', '1') FROM demo.big",
    "SELECT CAST(ra AS regclass) FROM demo.big",
    "SELECT ra FROM demo.big WHERE ra = %s",
    "SELECT ra FROM demo.big UNION SELECT table_version FROM vo.published_tables",
    "SELECT ra FROM demo.big\u00a0WHERE 1 = 1",
    "SELECT ra FROM demo.b\u0456g",
    f"SELECT {'(' * 5000}ra{')' * 5000} FROM demo.big",
]


@pytest.fixture(scope="module")
def physical(service: Service) -> tuple[str, str]:
    """Schema and name of the table that demo.big points at now."""
    connection = service.connect()
    with connection.cursor() as cursor:
        cursor.execute("SELECT physical_schema, physical_name FROM vo.published_tables WHERE table_name = 'demo.big'")
        row = cursor.fetchone()
    connection.close()
    assert row is not None
    return row[0], row[1]


@pytest.mark.parametrize("attack", ATTACKS)
def test_refused_by_the_parser(service: Service, physical: tuple[str, str], attack: str) -> None:
    schema, name = physical
    query = attack.replace("{physical}", f"{schema}.{name}").replace("{schema}", schema).replace("{name}", name)
    answer = adql(service, query)
    assert answer.status == 400
    if "{" not in attack and "/tmp/" not in attack:
        assert_error(answer, 400)
    # Only the parser knows the place in the query: the database was not asked.
    assert "line 1, column" in answer.text or "line 2, column" in answer.text


def test_strings_stay_strings(service: Service) -> None:
    for text in ("'; DROP TABLE demo.big; --", "\\", "\\'; --", "%s %(x)s {0} :x $1", "E'\\x41'"):
        quoted = text.replace("'", "''")
        answer = adql(service, f"SELECT TOP 1 '{quoted}' AS s FROM demo.big", FORMAT="csv")
        assert answer.csv() == [[text]]
    assert adql(service, "SELECT COUNT(*) AS n FROM demo.big", FORMAT="csv").csv() == [[str(BIG_ROWS)]]


def test_names_stay_names(service: Service) -> None:
    name = 'x"" FROM pg_user; DROP TABLE y; --'
    answer = adql(service, f'SELECT TOP 1 ra AS "{name}" FROM demo.big')
    assert [field["name"] for field in answer.fields()] == [name.replace('""', '"')]


SECRETS = re.compile(r"__v\d|\bt\d+\b|\bc\d+\b|::|pg_catalog|permission|SELECT|LINE 1")
"""What would tell of the text that the database got."""


@pytest.mark.parametrize(
    ("breaking", "mending"),
    [
        ("ALTER TABLE {table} RENAME COLUMN ra TO gone", "ALTER TABLE {table} RENAME COLUMN gone TO ra"),
        ("REVOKE SELECT ON {table} FROM vo_tap", "GRANT SELECT ON {table} TO vo_tap"),
    ],
)
def test_errors_of_the_database_tell_no_names(
    service: Service, physical: tuple[str, str], breaking: str, mending: str
) -> None:
    """A table that somebody changed behind the service's back."""
    schema, name = physical
    owner = service.connect()
    with owner.cursor() as cursor:
        try:
            cursor.execute(breaking.replace("{table}", f"{schema}.{name}"))
            answer = adql(service, "SELECT AVG(ra + 1) AS mean FROM demo.big")
        finally:
            cursor.execute(mending.replace("{table}", f"{schema}.{name}"))
    owner.close()
    assert_error(answer, 500)
    assert name not in answer.text
    assert not SECRETS.search(answer.text), answer.text
