"""Queries that try to reach what is not published: all are refused before the database sees anything."""

from __future__ import annotations

import pytest

from tap.adql import ADQLError, Catalogue, translate

ATTACKS = [
    "SELECT * FROM pg_catalog.pg_user",
    "SELECT * FROM pg_user",
    "SELECT * FROM information_schema.tables",
    'SELECT * FROM "pg_catalog"."pg_authid"',
    "SELECT * FROM data.bright__v7",
    'SELECT * FROM "data"."bright__v7"',
    "SELECT * FROM bright__v7",
    "SELECT pg_sleep(10) FROM bright",
    "SELECT pg_catalog.pg_sleep(10) FROM bright",
    "SELECT current_setting('data_directory') FROM bright",
    "SELECT set_config('role', 'postgres', false) FROM bright",
    "SELECT pg_read_file('/etc/passwd') FROM bright",
    "SELECT lo_import('/etc/passwd') FROM bright",
    "SELECT query_to_xml('select 1', true, true, '') FROM bright",
    "SELECT dblink('host=x', 'select 1') FROM bright",
    "SELECT version() FROM bright",
    "SELECT ra::text FROM bright",
    "SELECT ra FROM bright WHERE ra = $1",
    "SELECT $$a$$ FROM bright",
    "SELECT $tag$a$tag$ FROM bright",
    "SELECT E'\\x41' FROM bright",
    "SELECT U&'\\0041' FROM bright",
    "SELECT B'101' FROM bright",
    "SELECT /* */ ra FROM bright",
    "SELECT ra FROM bright; DROP TABLE bright",
    "SELECT ra FROM bright;;",
    "SELECT ra FROM bright FOR UPDATE",
    "SELECT ra INTO x FROM bright",
    "DROP TABLE bright",
    "INSERT INTO bright VALUES (1)",
    "WITH x AS (DELETE FROM bright RETURNING ra) SELECT * FROM x",
    "WITH x AS (INSERT INTO bright VALUES (1)) SELECT * FROM x",
    "WITH RECURSIVE x AS (SELECT ra FROM bright UNION ALL SELECT ra FROM x) SELECT * FROM x",
    "WITH x AS (SELECT * FROM x) SELECT * FROM x",
    "SELECT bright FROM bright",
    "SELECT b FROM bright AS b",
    "SELECT (b).ra FROM bright AS b",
    "SELECT b.* AS x FROM bright AS b",
    "SELECT COUNT(b) FROM bright AS b",
    "SELECT ctid FROM bright",
    "SELECT xmin, xmax FROM bright",
    "SELECT b.tableoid FROM bright AS b",
    'SELECT "ctid" FROM bright',
    "SELECT g FROM bright",
    "SELECT ra.upper FROM bright",
    "SELECT name.length FROM bright",
    "SELECT ra FROM bright, LATERAL (SELECT 1 FROM bright) AS x",
    "SELECT ra FROM generate_series(1, 1000000000) AS ra",
    "SELECT ra FROM bright TABLESAMPLE SYSTEM (1)",
    "SELECT ra FROM ONLY bright",
    "SELECT ra FROM bright WHERE ra = ANY(SELECT ra FROM bright)",
    "SELECT ra FROM bright WHERE (ra, dec) IN (SELECT ra, dec FROM bright)",
    "SELECT ra FROM bright WHERE name ~ '(a+)+'",
    "SELECT ra FROM bright WHERE name SIMILAR TO 'a'",
    "SELECT ra FROM bright LIMIT 5",
    "SELECT ra FROM bright ORDER BY ra NULLS FIRST",
    "SELECT ra FROM bright ORDER BY ra USING >",
    "SELECT ra OVER (ORDER BY dec) FROM bright",
    "SELECT CAST(ra AS regclass) FROM bright",
    "SELECT CASE WHEN 1=1 THEN 1 END FROM bright",
    "SELECT ra FROM \uff42right",
    "SELECT \u0661 FROM bright",
    "SELECT\u2003ra FROM bright",
    "SELECT ra FROM bright WHERE name = \u2019a\u2019",
    "SELECT ra\u200b FROM bright",
    "SELECT 'a\0b' FROM bright",
    "EXPLAIN SELECT ra FROM bright",
    "SELECT ra FROM bright WHERE 1=1 --\n; DELETE FROM bright",
    "SELECT ARRAY[ra] FROM bright",
    "SELECT spectrum[1] FROM bright",
    "SELECT public.q3c_dist(ra, dec, 1, 1) FROM bright",
    "SELECT q3c_radial_query(ra, dec, 1, 1, 1) FROM bright",
    "TABLE bright",
    "VALUES (1)",
]


@pytest.mark.parametrize("query", ATTACKS)
def test_refused(query: str, catalogue: Catalogue) -> None:
    with pytest.raises(ADQLError) as caught:
        translate(query, catalogue)
    assert caught.value.message
    assert "Traceback" not in caught.value.text()


def test_strings_and_names_never_reach_the_text(catalogue: Catalogue) -> None:
    query = (
        """SELECT ra AS "x"" FROM secret --", 'it''s \\ -- ' AS s FROM bright AS "y"" ; DROP" WHERE name = ''';--'"""
    )
    found = translate(query, catalogue)
    assert found.columns[0].name == 'x" FROM secret --'
    assert "secret" not in found.sql
    assert "DROP" not in found.sql
    assert r"E'it''s \\ -- '" in found.sql
    assert "t1.\"name\" = ''';--'" in found.sql
