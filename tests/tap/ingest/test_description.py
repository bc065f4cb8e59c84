"""Descriptions of catalogues in YAML: what they say, and what is said about mistakes in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tap.ingest.description import FELIS_TYPES, SchemaDescription, TableDescription, read_description
from vo.core.errors import TableError
from vo.core.tables import Column, Datatype

GOOD = """
name: survey
description: A survey
version: {current: "1", compatible: []}
tap:schema_index: 4
tables:
  - name: stars
    "@id": "#stars"
    mysql:engine: MyISAM
    description: Its stars
    tap:table_index: 2
    votable:utype: src:source
    primaryKey: "#stars.id"
    constraints: [{name: c, "@type": Unique, columns: ["#stars.id"]}]
    indexes: [{name: by_g, columns: ["#stars.g"]}]
    columns:
      - {name: id, "@id": "#stars.id", datatype: long, nullable: false, "ivoa:ucd": meta.id;meta.main}
      - {name: g, datatype: float, "fits:tunit": mag, "tap:principal": 1, "tap:std": 0, "tap:column_index": 3}
      - name: colours
        datatype: double
        ivoa:unit: mag
        votable:arraysize: 3
        votable:utype: src:colours
        description: Three of them
        vo:source: COL
        vo:source_unit: mmag
      - {name: seen, "votable:datatype": char, "votable:xtype": timestamp}
      - {name: note, datatype: unicode, length: 20, "votable:arraysize": 20*}
      - {name: free}
    vo:title: Stars of the survey
    vo:position: {ra: ra, dec: dec, epoch: J2000.0}
    vo:references: [{text: "Nobody 2020", bibcode: 2020xxx}]
    vo:identifier: "Survey {id}"
    vo:licence: {name: CC0}
    vo:acknowledgement: Thank everybody.
    vo:examples: [{name: all, query: SELECT * FROM survey.stars}]
    vo:layout: {kind: table, nulls: {g: -99}}
  - name: galaxies
"""


def read(tmp_path: Path, text: str | bytes) -> SchemaDescription:
    path = tmp_path / "survey.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_description(path)


def refusal(tmp_path: Path, text: str | bytes) -> str:
    with pytest.raises(TableError) as caught:
        read(tmp_path, text)
    assert "survey.yaml" in caught.value.message
    assert str(tmp_path) not in caught.value.message
    return caught.value.message


def table(tmp_path: Path, text: str) -> TableDescription:
    return read(tmp_path, f"name: s\ntables:\n- name: t\n{text}").table("t")


def test_a_description_is_read_whole(tmp_path: Path) -> None:
    schema = read(tmp_path, GOOD)
    assert (schema.name, schema.description, schema.schema_index) == ("survey", "A survey", 4)
    stars = schema.table("stars")
    assert (stars.description, stars.utype, stars.table_index) == ("Its stars", "src:source", 2)
    assert stars.unique_columns == {"id"}
    assert stars.layout.nulls == {"g": -99}
    columns = {column.name: column for column in stars.columns}
    assert [column.column() for column in stars.columns] == [
        Column("id", Datatype.LONG, ucd="meta.id;meta.main"),
        Column("g", Datatype.FLOAT, unit="mag"),
        Column("colours", Datatype.DOUBLE, "3", unit="mag", utype="src:colours", description="Three of them"),
        Column("seen", Datatype.CHAR, "*", xtype="timestamp"),
        Column("note", Datatype.UNICODE_CHAR, "20*"),
        None,
    ]
    assert (columns["g"].principal, columns["g"].std) == (True, False)
    assert (columns["colours"].source_name, columns["colours"].source_unit) == ("COL", "mmag")
    curation = stars.curation()
    assert curation["title"] == "Stars of the survey"
    assert curation["position"] == {"ra": "ra", "dec": "dec", "frame": "ICRS", "epoch": "J2000.0"}
    assert curation["references"] == [{"text": "Nobody 2020", "bibcode": "2020xxx"}]
    assert curation["licence"] == {"name": "CC0"}
    assert curation["acknowledgement"] == "Thank everybody."
    assert "synthetic" not in curation


def test_the_one_table_needs_no_name_and_several_do(tmp_path: Path) -> None:
    assert read(tmp_path, "name: s\ntables: [{name: only}]").table(None).name == "only"
    several = read(tmp_path, GOOD)
    for name in (None, "planets"):
        with pytest.raises(TableError, match=r"stars, galaxies") as caught:
            several.table(name)
        assert "--table" in (caught.value.hint or "")


@pytest.mark.parametrize("felis", FELIS_TYPES)
def test_felis_types(tmp_path: Path, felis: str) -> None:
    [described] = table(tmp_path, f"  columns: [{{name: c, datatype: {felis}}}]").columns
    column = described.column()
    assert column is not None
    datatype, arraysize, xtype = FELIS_TYPES[felis]
    assert (column.datatype, column.arraysize, column.xtype) == (datatype, arraysize, xtype)
    assert column.is_text == (felis in ("char", "string", "text", "unicode", "timestamp"))


def test_unique_columns_come_from_both_spellings(tmp_path: Path) -> None:
    described = table(
        tmp_path, '  primaryKey: ["#t.a"]\n  columns: [{name: a}, {name: b, "vo:unique": true}, {name: c}]'
    )
    assert described.unique_columns == {"a", "b"}
    assert table(tmp_path, '  primaryKey: ["#t.a", "#t.b"]').unique_columns == set()


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("name: s\ntabels: []", ["unknown key 'tabels'", "did you mean 'tables'?"]),
        ("name: s\ntables: [{name: t, colums: []}]", ["tables.0", "'colums'", "'columns'"]),
        ("name: s\ntables: [{name: t, columns: [{name: c, 'vo:unit': deg}]}]", ["tables.0.columns.0", "'vo:unit'"]),
        ("name: s\ntables: [{name: t, columns: [{name: c, unit: deg}]}]", ["tables.0.columns.0", "unknown key 'unit'"]),
        ("name: s\ntables: [{name: t, columns: [{name: c, datatype: bigint}]}]", ["column c", "'bigint'", "long"]),
        ("name: s\ntables: [{name: t, columns: [{datatype: int}]}]", ["tables.0.columns.0.name", "required"]),
        ("name: s\ntables: [{name: t, 'vo:position': {ra: a}}]", ["tables.0.vo:position.dec", "required"]),
        ("name: s\ntables: [{name: t, 'vo:layout': {kind: tabel}}]", ["tables.0.vo:layout", "tabel"]),
        (
            "name: s\ntables: [{name: t, 'vo:layout': {kind: records, columns: [{name: a, type: f4, null: 0}]}}]",
            ["tables.0.vo:layout.records.columns.0"],
        ),
        ("name: s\ntables: [{name: t, 'vo:identifier': HIP}]", ["table t", "'HIP' is not like 'HIP {hip}'"]),
        ("name: s\ntables: [{name: t, 'vo:identifier': ['H {h}']}]", ["table t", "column h", "not vo:unique"]),
        ("tables: []", ["name", "required"]),
        ("- a\n- b", ["top level"]),
        ("", ["top level"]),
        ("name: s\ntables: [", ["not YAML", "line 2"]),
        ("name: &a s\ndescription: *a", ["not YAML", "aliases are not allowed"]),
        ("name: !!python/object/apply:os.system [ls]", ["not YAML"]),
        (b"name: \xff\xfe", ["cannot be read"]),
        ("name: s\ndescription: " + "x" * 5_000_000, ["larger than 5000000 bytes"]),
    ],
)
def test_mistakes_are_named_with_their_place(tmp_path: Path, text: str | bytes, phrases: list[str]) -> None:
    message = refusal(tmp_path, text)
    for phrase in phrases:
        assert phrase in message, message
    assert len(message) < 1000


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"nowhere\.yaml cannot be read") as caught:
        read_description(tmp_path / "nowhere.yaml")
    assert str(tmp_path) not in caught.value.message
