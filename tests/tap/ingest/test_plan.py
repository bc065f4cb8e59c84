"""What of a file is published under which names and types."""

from __future__ import annotations

from typing import Any

import pytest

from tap.ingest.description import TableDescription
from tap.ingest.plan import find_position, plan_columns, quoted, table_name
from tap.ingest.service import further_indexes
from tap.tables.models import PlannedColumn, TableName, sql_type
from vo.core.errors import TableError
from vo.core.tables import Column, Datatype, TableStream

RA = Column("ra", Datatype.DOUBLE)
DEC = Column("dec", Datatype.DOUBLE)


def plan(columns: list[Column], /, **description: Any) -> tuple[list[PlannedColumn], list[str]]:
    described = TableDescription.model_validate({"name": "t", **description})
    return plan_columns(TableStream(tuple(columns), iter(())), described)


def position(columns: list[Column], /, **description: Any) -> tuple[str, str] | None:
    described = TableDescription.model_validate({"name": "t", **description})
    return find_position(plan_columns(TableStream(tuple(columns), iter(())), described)[0], described)


def test_table_names() -> None:
    assert table_name("Gaia_DR3.Bright") == TableName("gaia_dr3", "bright")
    assert str(table_name("a.b")) == "a.b"
    for wrong in ("stars", "a.b.c", "a.", ".b", "a.select", "1a.b", 'a."b"', "a.b-c", "a. b", "a." + "b" * 51, "é.b"):
        with pytest.raises(TableError, match="cannot be a table name"):
            table_name(wrong)
    for ours in ("tap_schema.x", "tap_upload.x", "vo.x", "information_schema.x", "pg_catalog.x", "pg_x.y"):
        with pytest.raises(TableError, match="belongs to the system"):
            table_name(ours)


def test_names_of_the_file_become_lower_case_or_are_quoted() -> None:
    planned, remarks = plan(
        [
            Column("RAdeg", Datatype.DOUBLE),
            Column("plx", Datatype.DOUBLE),
            Column("Size", Datatype.INT),
            Column("B-V", Datatype.FLOAT),
            Column('say "hi"', Datatype.INT),
        ]
    )
    assert [item.column.name for item in planned] == ["radeg", "plx", "Size", "B-V", 'say "hi"']
    assert [item.query_name for item in planned] == ["radeg", "plx", '"Size"', '"B-V"', '"say ""hi"""']
    assert "published in lower case: RAdeg as radeg" in remarks
    assert all(item.principal for item in planned)


def test_quoting() -> None:
    assert [quoted(name) for name in ("ra", "Ra", "select", "2mass", "a b", "ä")] == [
        "ra",
        '"Ra"',
        '"select"',
        '"2mass"',
        '"a b"',
        '"ä"',
    ]


def test_described_columns_come_first_in_their_order_and_win() -> None:
    planned, remarks = plan(
        [
            Column("X", Datatype.INT),
            Column("G", Datatype.DOUBLE, unit="mmag", ucd="phot.mag", description="as in the file"),
            Column("id", Datatype.INT, description="number"),
        ],
        columns=[
            {"name": "id", "datatype": "long", "tap:principal": True, "tap:std": True},
            {"name": "mag", "vo:source": "g", "datatype": "float", "ivoa:unit": "mag", "vo:source_unit": "mmag"},
        ],
        primaryKey="#t.id",
    )
    assert [(item.column.name, item.place) for item in planned] == [("id", 2), ("mag", 1), ("x", 0)]
    assert planned[0].column == Column("id", Datatype.LONG, description="number")
    assert (planned[0].principal, planned[0].std, planned[0].unique) == (True, True, True)
    assert planned[1].column == Column("mag", Datatype.FLOAT, unit="mag", ucd="phot.mag", description="as in the file")
    assert planned[1].factor == pytest.approx(0.001)
    assert not planned[2].principal
    assert "not in the description, published as the file has them: X" in remarks
    assert "without description: x" in remarks
    assert "without ucd: id, x" in remarks


def test_exact_names_win_over_those_in_other_case() -> None:
    planned, _ = plan(
        [Column("Name", Datatype.INT), Column("name", Datatype.LONG)],
        columns=[{"name": "name"}, {"name": "other", "vo:source": "Name"}],
    )
    assert [(item.column.name, item.place, item.column.datatype) for item in planned] == [
        ("name", 1, Datatype.LONG),
        ("other", 0, Datatype.INT),
    ]


@pytest.mark.parametrize(
    ("columns", "description", "message"),
    [
        ([RA], {"columns": [{"name": "dec"}]}, "column dec, but the file has no column dec"),
        ([RA], {"columns": [{"name": "d", "vo:source": "DEJ"}]}, "column d, but the file has no column DEJ"),
        ([RA, Column("RA", Datatype.INT)], {}, "Two columns would be published as ra"),
        ([Column("A B", Datatype.INT), Column("a b", Datatype.INT)], {}, "Two columns would be published as a b"),
        ([RA], {"columns": [{"name": "x", "vo:source": "ra"}, {"name": "X", "vo:source": "ra"}]}, "published as X"),
        ([Column("x" * 64, Datatype.INT)], {}, "must have 1 to 63 bytes"),
        ([Column("ä" * 32, Datatype.INT)], {}, "must have 1 to 63 bytes"),
        ([Column("", Datatype.INT)], {}, "must have 1 to 63 bytes"),
        ([Column("a\0b", Datatype.INT)], {}, "cannot be a column name"),
        (
            [Column("n", Datatype.INT)],
            {"columns": [{"name": "n", "datatype": "int", "ivoa:unit": "m", "vo:source_unit": "km"}]},
            "type int cannot change its unit",
        ),
        (
            [RA],
            {"columns": [{"name": "ra", "datatype": "double", "ivoa:unit": "mag", "vo:source_unit": "rad"}]},
            "Column ra",
        ),
        (
            [RA],
            {"columns": [{"name": "ra", "datatype": "double", "ivoa:unit": "deg", "vo:source_unit": "no unit"}]},
            "no unit cannot be converted to deg",
        ),
    ],
)
def test_what_cannot_be_published(columns: list[Column], description: dict[str, Any], message: str) -> None:
    with pytest.raises(TableError) as caught:
        plan(columns, **description)
    assert message in caught.value.message


def test_a_missing_column_is_told_what_there_is() -> None:
    with pytest.raises(TableError) as caught:
        plan([RA, DEC], columns=[{"name": "parallax"}])
    assert caught.value.hint == "The file has: ra, dec."


def test_units() -> None:
    for source, target, factor in [("rad", "deg", 57.29577951308232), ("arcsec", "mas", 1000.0), ("deg", "deg", 1.0)]:
        [item], _ = plan(
            [RA], columns=[{"name": "ra", "datatype": "double", "ivoa:unit": target, "vo:source_unit": source}]
        )
        assert item.factor == pytest.approx(factor)
        assert item.column.unit == target


def test_text_gives_way_to_its_content_unless_unicode_is_asked_for() -> None:
    text = [Column(name, Datatype.CHAR, "*") for name in ("a", "b", "c", "d")]
    planned, _ = plan(
        text, columns=[{"name": "a", "datatype": "char"}, {"name": "b", "datatype": "unicode"}, {"name": "c"}]
    )
    assert [item.by_content for item in planned] == [True, False, True, True]


def test_the_position_is_described_or_found_by_ucd_or_by_name() -> None:
    main = [
        Column("lon", Datatype.DOUBLE, ucd="pos.eq.ra;meta.main"),
        Column("lat", Datatype.DOUBLE, ucd="pos.eq.dec;meta.main"),
    ]
    assert position([RA, DEC]) == ("ra", "dec")
    assert position([Column("RA", Datatype.DOUBLE, unit="deg"), Column("DEC", Datatype.DOUBLE)]) == ("ra", "dec")
    assert position([RA, DEC, *main]) == ("lon", "lat")
    described = {"vo:position": {"ra": "ra", "dec": "dec"}}
    assert position([*main, RA, DEC], **described) == ("ra", "dec")
    assert position([RA]) is None
    assert position([RA, Column("dec", Datatype.FLOAT)]) is None
    assert position([RA, Column("dec", Datatype.DOUBLE, "3")]) is None
    assert position([Column("ra", Datatype.DOUBLE, unit="rad"), DEC]) is None


def test_a_described_position_must_be_there_and_double() -> None:
    described = {"vo:position": {"ra": "ra", "dec": "dec"}}
    for columns in ([RA], [RA, Column("dec", Datatype.FLOAT)], [RA, Column("dec", Datatype.DOUBLE, "2")]):
        with pytest.raises(TableError, match="vo:position names dec"):
            position(columns, **described)


def test_further_indexes() -> None:
    described = TableDescription.model_validate({"name": "t", "indexes": [{"name": "i", "columns": ["#t.ra", "dec"]}]})
    planned, _ = plan([RA, DEC])
    assert further_indexes(described, planned) == [["ra", "dec"]]
    assert further_indexes(TableDescription(name="t"), planned) == []
    for columns in (["#t.plx"], []):
        wrong = TableDescription.model_validate({"name": "t", "indexes": [{"name": "i", "columns": columns}]})
        with pytest.raises(TableError, match="The index i names"):
            further_indexes(wrong, planned)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (Column("c", Datatype.UNSIGNED_BYTE), "smallint"),
        (Column("c", Datatype.LONG), "bigint"),
        (Column("c", Datatype.FLOAT, "2x3"), "real[]"),
        (Column("c", Datatype.CHAR, "8"), "text"),
        (Column("c", Datatype.CHAR, "*", xtype="timestamp"), "timestamp"),
        (Column("c", Datatype.BOOLEAN), "boolean"),
    ],
)
def test_sql_types(column: Column, expected: str) -> None:
    assert sql_type(column) == expected
