"""/capabilities, /tables and /availability: by their schemas, by the reader that others use, and against TAP_SCHEMA."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest
from lxml import etree
from vo_models.vosi.availability import Availability
from vo_models.vosi.capabilities import VOSICapabilities
from vo_models.vosi.tables import VOSITable, VOSITableSet

from tests.conftest import Service
from tests.tap.asking import adql, ask, assert_error
from tests.vo.app.running import running
from vo.app.main import create_app
from vo.core.migrations import migrate
from vo.core.settings import Settings, load_settings

XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
STANDARD = "ivo://ivoa.net/std/"
DOCUMENTS: dict[str, Any] = {
    "/tap/capabilities": VOSICapabilities,
    "/tap/availability": Availability,
    "/tap/tables": VOSITableSet,
    "/tap/tables?detail=min": VOSITableSet,
    "/tap/tables?detail=max": VOSITableSet,
    "/tap/tables/hipparcos.hip2": VOSITable,
    "/tap/tables/tap_schema.columns": VOSITable,
}
QUOTED = 'odd."a ""table"" / of +50% & more#?"'
"""A name as TAP_SCHEMA and ADQL write it."""


@pytest.mark.parametrize("target", DOCUMENTS)
def test_valid_by_schema(service: Service, shared: Path, validate: Callable[[bytes], list[str]], target: str) -> None:
    answer = ask(service, target)
    assert answer.type.startswith("text/xml")
    assert validate(answer.body) == []


@pytest.mark.parametrize("form", ["votable", "votable/b", "votable/td"])
def test_results_and_errors_are_valid_too(
    service: Service, shared: Path, validate: Callable[[bytes], list[str]], form: str
) -> None:
    for query in ("SELECT TOP 3 * FROM hipparcos.hip2", "SELECT TOP 3 * FROM tap_schema.columns", "SELECT"):
        for maxrec in ("0", "2", "3"):
            assert validate(adql(service, query, RESPONSEFORMAT=form, MAXREC=maxrec).body) == []


@pytest.mark.parametrize("target", DOCUMENTS)
def test_read_back(service: Service, target: str) -> None:
    assert DOCUMENTS[target].from_xml(ask(service, target).body) is not None


def test_capabilities(service: Service) -> None:
    document: Any = VOSICapabilities.from_xml(ask(service, "/tap/capabilities").body)
    places = {str(item.standard_id): str(item.interface[0].access_url[0].value) for item in document.capability}
    assert places == {
        f"{STANDARD}TAP": service.tap,
        f"{STANDARD}VOSI#capabilities": f"{service.tap}/capabilities",
        f"{STANDARD}VOSI#availability": f"{service.tap}/availability",
        f"{STANDARD}VOSI#tables-1.1": f"{service.tap}/tables",
        f"{STANDARD}DALI#examples": f"{service.tap}/examples",
    }
    for place in places.values():
        assert ask(service, place.removeprefix(service.url)).status == 200
    [tap] = [item for item in document.capability if str(item.standard_id) == f"{STANDARD}TAP"]
    assert (tap.interface[0].version, tap.interface[0].access_url[0].use) == ("1.1", "base")
    [language] = tap.language
    assert {version.value for version in language.version} == {"2.0", "2.1"}
    limits = tap.output_limit
    assert limits.default.value == service.settings.default_maxrec
    assert limits.hard.value == service.settings.hard_maxrec


def test_availability_tells_since_when(service: Service) -> None:
    document = Availability.from_xml(ask(service, "/tap/availability").body)
    assert document.available
    assert document.up_since is not None
    [note] = document.note or []
    assert re.fullmatch(r"workers: 1 with \d+ slots; \d+ jobs run, \d+ wait, .* leases expired so far", str(note))


@pytest.mark.parametrize("target", ["/tap/capabilities", "/tap/tables", "/tap/tables?detail=min", "/tap/examples"])
def test_documents_are_not_sent_twice(service: Service, target: str) -> None:
    first = ask(service, target)
    tag = first.headers["ETag"]
    again = ask(service, target, headers={"If-None-Match": tag})
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
    for other in (f'"nothing", {tag}', tag):
        assert ask(service, target, headers={"If-None-Match": other}).status == 304
    assert ask(service, target, headers={"If-None-Match": '"nothing"'}).body == first.body
    assert ask(service, target, method="HEAD", headers={"If-None-Match": tag}).status == 304


@pytest.mark.parametrize("target", ["/tap/capabilities", "/tap/tables", "/tap/examples"])
def test_documents_are_compressed_only_when_asked(service: Service, target: str) -> None:
    plain = ask(service, target)
    assert plain.headers["Content-Encoding"] is None
    packed = ask(service, target, headers={"Accept-Encoding": "deflate, gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.body) < len(plain.body)
    assert gzip.decompress(packed.body) == plain.body
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert "Accept-Encoding" in plain.headers["Vary"]


def test_detail(service: Service) -> None:
    least = ask(service, "/tap/tables?DETAIL=min")
    assert ask(service, "/tap/tables?detail=MIN").body == least.body
    assert b"<column" not in least.body
    assert b"<foreignKey" not in least.body
    assert ask(service, "/tap/tables").body == ask(service, "/tap/tables?detail=max").body
    names = [name.text for name in least.xml().findall("schema/table/name")]
    assert names == [name.text for name in ask(service, "/tap/tables").xml().findall("schema/table/name")]


def test_each_table_has_a_document_of_its_own(service: Service) -> None:
    for table in ask(service, "/tap/tables").xml().findall("schema/table"):
        name = table.findtext("name") or ""
        own = ask(service, f"/tap/tables/{quote(name, safe='')}").xml()
        assert [etree.tostring(child) for child in own] == [etree.tostring(child) for child in table]
        assert ask(service, f"/tap/tables/{name.upper()}").status == 200


def test_unknown_tables(service: Service) -> None:
    for name in ("demo.bigg", "demo", "big", "pg_catalog.pg_class", "vo.catalogue", "demo.big/ra", '"demo"."big"'):
        assert_error(ask(service, f"/tap/tables/{quote(name, safe='')}"), 404, "/tap/tables")


def described(service: Service) -> dict[str, list[dict[str, Any]]]:
    """Return the columns of all tables as /tables describes them."""
    tables = {}
    for table in ask(service, "/tap/tables").xml().findall("schema/table"):
        columns = []
        for column in table.findall("column"):
            datatype = column.find("dataType")
            assert datatype is not None
            assert datatype.attrib[XSI_TYPE] == "vs:VOTableType"
            flags = {flag.text for flag in column.findall("flag")}
            columns.append(
                {tag: column.findtext(tag) or "" for tag in ("name", "description", "unit", "ucd", "utype")}
                | {"datatype": datatype.text, "arraysize": datatype.get("arraysize", "")}
                | {"xtype": datatype.get("extendedType", ""), "indexed": str(int("indexed" in flags))}
                | {"std": str(int(column.get("std") == "true"))}
            )
        tables[table.findtext("name") or ""] = columns
    return tables


def test_tables_and_tap_schema_agree(service: Service) -> None:
    names = ["name", "description", "unit", "ucd", "utype", "datatype", "arraysize", "xtype", "indexed", "std"]
    query = f"SELECT table_name, column_{', '.join(names)} FROM tap_schema.columns ORDER BY table_name, column_index"
    stored: dict[str, list[dict[str, Any]]] = {}
    for table, *values in adql(service, query, FORMAT="csv").csv():
        stored.setdefault(table, []).append(dict(zip(names, values, strict=True)))
    assert stored == described(service)
    assert '"size"' in [column["name"] for column in stored["tap_schema.columns"]]


def test_schemas_tables_and_keys_agree_too(service: Service) -> None:
    document = ask(service, "/tap/tables").xml()
    schemas = [[schema.findtext("name"), schema.findtext("description") or ""] for schema in document.findall("schema")]
    query = "SELECT schema_name, description FROM tap_schema.schemas ORDER BY schema_index"
    assert adql(service, query, FORMAT="csv").csv() == schemas
    tables = [
        [schema.findtext("name"), table.findtext("name"), table.findtext("description") or ""]
        for schema in document.findall("schema")
        for table in schema.findall("table")
    ]
    query = "SELECT schema_name, table_name, description FROM tap_schema.tables ORDER BY table_index"
    assert adql(service, query, FORMAT="csv").csv() == tables
    keys = sorted(
        [
            table.findtext("name"),
            key.findtext("targetTable"),
            pair.findtext("fromColumn"),
            pair.findtext("targetColumn"),
        ]
        for table in document.findall("schema/table")
        for key in table.findall("foreignKey")
        for pair in key.findall("fkColumn")
    )
    query = (
        "SELECT from_table, target_table, from_column, target_column "
        "FROM tap_schema.keys NATURAL JOIN tap_schema.key_columns"
    )
    assert sorted(adql(service, query, FORMAT="csv").csv()) == keys
    assert len(keys) == 5


@pytest.fixture
def odd_service(cluster: Settings, scratch_database: str) -> Iterator[int]:
    """A small service on a database of its own, whose one table has a name that needs quotes and escapes."""
    urls = {
        role: scratch_database.replace("postgresql://postgres@", f"postgresql://{role}@") for role in ("vo", "vo_tap")
    }
    settings = load_settings(home=cluster.home, database_url=urls["vo"], tap_database_url=urls["vo_tap"])
    migrate(settings)
    connection = psycopg2.connect(urls["vo"])
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA odd")
        cursor.execute('CREATE TABLE odd.odd AS SELECT 1 AS "x<y", 2 AS plain')
        cursor.execute("INSERT INTO tap_schema.schemas VALUES ('odd', NULL, 'a < b & c', 1)")
        cursor.execute("INSERT INTO tap_schema.tables VALUES ('odd', %s, 'view', NULL, 'd > ]]> e', 1)", (QUOTED,))
        for number, name in enumerate(('"x<y"', "plain")):
            cursor.execute(
                "INSERT INTO tap_schema.columns (table_name, column_name, datatype, description, indexed, principal, "
                "std, column_index) VALUES (%s, %s, 'int', '<&>', 0, 0, 0, %s)",
                (QUOTED, name, number),
            )
        cursor.execute("INSERT INTO vo.published_tables VALUES (%s, 'odd', 'odd', 1, 1)", (QUOTED,))
    connection.close()
    with running(create_app(settings)) as port:
        yield port


def test_quoted_names(odd_service: int, validate: Callable[[bytes], list[str]]) -> None:
    tableset = ask(odd_service, "/tap/tables")
    assert QUOTED in [name.text for name in tableset.xml().findall("schema/table/name")]
    own = ask(odd_service, f"/tap/tables/{quote(QUOTED, safe='')}")
    assert own.xml().findtext("name") == QUOTED
    assert own.xml().get("type") == "view"
    assert [name.text for name in own.xml().findall("column/name")] == ['"x<y"', "plain"]
    assert validate(tableset.body) == []
    assert validate(own.body) == []
    front = ask(odd_service, "/").text
    assert f'href="tables/{quote(QUOTED, safe="")}"' in front
    page = ask(odd_service, f"/tables/{quote(QUOTED, safe='')}")
    assert page.status == 200
    assert "&#34;x&lt;y&#34;" in page.text
    assert "d &gt; ]]&gt; e" in page.text
