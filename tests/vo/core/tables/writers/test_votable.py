from __future__ import annotations

import importlib.util
import io
import pathlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from astropy.io.votable import parse, parse_single_table
from lxml import etree
from pyvo.dal import TAPResults

from tests.schema import faults
from vo.core.errors import TableError
from vo.core.tables import Column, Datatype
from vo.core.tables.writers import CoordinateSystem, Outcome, ResultMetadata, TimeSystem, error_document, find_format
from vo.core.tables.writers.base import ServiceDescriptor, ServiceParameter
from vo.core.tables.writers.canonical import PIECE
from vo.core.tables.writers.cells import NULL_INTEGER
from vo.core.tables.writers.votable import header_document

from .samples import (
    ARRAYS,
    INFINITY,
    NULL_ARRAYS,
    SCALARS,
    SERIALIZATIONS,
    Sample,
    batch_of,
    columns_of_sample,
    expected,
    read_votable,
    sliced,
    stilts,
    write,
)

SAMPLE = SCALARS + ARRAYS
NAMESPACE = "{http://www.ivoa.net/xml/VOTable/v1.3}"
METADATA = ResultMetadata(
    name="bright <stars>",
    description="Stars & more",
    service="A service",
    infos=(("QUERY", "SELECT \"a\"\n<b> & 'c'\x00", ""), ("citation", "2016A&A...595A...1G", "Please cite")),
    coosys=(
        CoordinateSystem("ICRS", ("ra", "dec", "not in the result"), "J2016.0", "BARYCENTER"),
        CoordinateSystem("GALACTIC", ("position",)),
    ),
)


def elements(document: bytes, name: str) -> list[etree._Element]:
    return list(etree.fromstring(document).iter(NAMESPACE + name))


@pytest.mark.parametrize("form", SERIALIZATIONS)
def test_astropy_reads_every_type_with_nulls_from_several_batches(form: str) -> None:
    sample = SAMPLE + NULL_ARRAYS
    columns = columns_of_sample(sample)
    document = write(form, columns, sliced(batch_of(sample)), metadata=METADATA)
    for (column, cells), read in zip(sample, read_votable(document, columns), strict=True):
        assert read == expected(column, cells, form), column.name


@pytest.mark.parametrize("form", SERIALIZATIONS)
def test_stilts_reads_every_type_with_nulls_from_several_batches(form: str) -> None:
    sample = SAMPLE + NULL_ARRAYS
    columns = columns_of_sample(sample)
    document = write(form, columns, sliced(batch_of(sample)))
    copied = stilts("tpipe", "in=-", "ifmt=votable", "ofmt=votable(format=BINARY2,version=V14)", document=document)
    for (column, cells), read in zip(sample, read_votable(copied.encode(), columns), strict=True):
        assert read == [_known_to_stilts(column, cell, form) for cell in cells], column.name


def _known_to_stilts(column: Column, cell: Any, form: str) -> Any:
    """Return what is left of a cell in STILTS, whose arrays of integers and booleans have no null elements."""
    (known,) = expected(column, [cell], form)
    if not column.is_array or (cell is None and form != "votable/b"):
        return known
    filler = {**NULL_INTEGER, Datatype.BOOLEAN: False}.get(column.datatype)
    return [filler if element is None else element for element in known]


@pytest.mark.parametrize("form", SERIALIZATIONS)
def test_stilts_reads_what_astropy_cannot(form: str) -> None:
    # In binary, astropy takes a byte for a bit of variable arrays and counts pairs in 2x*: both against the standard.
    sample: Sample = [
        (Column("bits", Datatype.BIT, "*"), [[True], [False] * 8, None, [True, False] * 6, [True] * 3]),
        (Column("pairs", Datatype.FLOAT, "2x*"), [[1.0, 2.0, 3.0, 4.5], [5.0, 6.0], None, [0.5] * 6, [7.0, 8.0]]),
        (Column("after", Datatype.INT), [1, 2, 3, 4, 5]),
    ]
    document = write(form, columns_of_sample(sample), sliced(batch_of(sample)))
    counts = "size(bits)", "countTrue(bits)", "size(pairs)", "sum(pairs)", "after"
    script = [*(f"cmd=addcol n{index} {count}" for index, count in enumerate(counts)), "cmd=keepcols n*"]
    read = stilts("tpipe", "in=-", "ifmt=votable", *script, "ofmt=csv", document=document).splitlines()[1:]
    assert [line for line in read if not line.endswith("3")] == [
        "1,1,4,10.5,1",
        "8,0,2,11.0,2",
        "12,6,6,3.0,4",
        "3,3,2,15.0,5",
    ]
    assert len(read) == 5


@pytest.mark.parametrize("form", SERIALIZATIONS)
def test_votlint_finds_nothing(form: str) -> None:
    # A null array of fixed length is an empty TD by the standard, which votlint 3.4 calls a wrong number of elements.
    sample = SAMPLE if form == "votable/td" else SAMPLE + NULL_ARRAYS
    document = write(form, columns_of_sample(sample), sliced(batch_of(sample)), metadata=METADATA)
    assert stilts("votlint", "ucd=true", "unit=true", "validate=true", "votable=-", document=document) == ""


@pytest.mark.parametrize("version", ["1.4", "1.5"])
@pytest.mark.parametrize("serialization", ["binary2", "binary", "tabledata"])
def test_documents_are_valid_by_the_schema(serialization: str, version: str, shared: pathlib.Path) -> None:
    form = f"text/xml;serialization={serialization};version={version}"
    document = write(
        form,
        columns_of_sample(SAMPLE),
        sliced(batch_of(SAMPLE)),
        metadata=METADATA,
        outcome=Outcome(rows=4, overflow=True),
    )
    assert validate(shared, document) == []
    assert etree.fromstring(document).get("version") == version


def test_error_documents_are_valid_by_the_schema(shared: pathlib.Path) -> None:
    assert validate(shared, error_document("no <such> table", infos=(("QUERY", "SELECT &", ""),))) == []


def validate(shared: pathlib.Path, document: bytes) -> list[str]:
    if not (shared / "schemas").is_dir():
        pytest.skip("the folder of standards is not beside the repository")
    spec = importlib.util.spec_from_file_location("vo_xsd", shared / "schemas" / "vo_xsd.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return list(module.validate(document))


def test_what_stands_before_and_after_the_rows() -> None:
    columns = columns_of_sample(SCALARS)
    root = etree.fromstring(write("votable", columns, [batch_of(SCALARS)], metadata=METADATA))
    (resource,) = root
    assert resource.get("type") == "results"
    assert [element.tag.removeprefix(NAMESPACE) for element in resource] == [
        "DESCRIPTION",
        *["INFO"] * 3,
        *["COOSYS"] * 2,
        "TABLE",
    ]
    infos = [(info.get("name"), info.get("value"), info.text) for info in resource.iter(NAMESPACE + "INFO")]
    assert infos == [
        ("QUERY_STATUS", "OK", None),
        ("QUERY", "SELECT \"a\"\n<b> & 'c'", None),
        ("citation", "2016A&A...595A...1G", "Please cite"),
    ]
    table = resource[-1]
    assert table.get("name") == "bright <stars>"
    assert table[0].text == "Stars & more"


def test_coordinate_systems_and_their_columns() -> None:
    columns = columns_of_sample(SCALARS)
    old, new = (write(f"text/xml;version={version}", columns, [], metadata=METADATA) for version in ("1.4", "1.5"))
    assert [dict(system.attrib) for system in elements(old, "COOSYS")] == [
        {"ID": "coosys_1", "system": "ICRS", "epoch": "J2016.0"},
        {"ID": "coosys_2", "system": "galactic"},
    ]
    assert [dict(system.attrib) for system in elements(new, "COOSYS")] == [
        {"ID": "coosys_1", "system": "ICRS", "epoch": "J2016.0", "refposition": "BARYCENTER"},
        {"ID": "coosys_2", "system": "GALACTIC"},
    ]
    assert {field.get("name"): field.get("ref") for field in elements(old, "FIELD") if field.get("ref")} == {
        "ra": "coosys_1",
        "dec": "coosys_1",
    }


def test_fields_carry_all_column_metadata() -> None:
    column = Column("p & q", Datatype.DOUBLE, "2", "point", "deg", "pos.eq", "stc:a/b<c>", "where\nit is")
    (field,) = elements(write("votable", (column,), []), "FIELD")
    assert dict(field.attrib.items()) == {
        "ID": "p___q",
        "name": "p & q",
        "datatype": "double",
        "arraysize": "2",
        "xtype": "point",
        "unit": "deg",
        "ucd": "pos.eq",
        "utype": "stc:a/b<c>",
    }
    assert field[0].text == "where\nit is"


def test_identifiers_are_unique_names_of_xml() -> None:
    names = ["a b", "a_b", "a/b", "coosys_1", "1", "", "-x", "日本", "a_b_2", 'tab\tand "quote"']
    columns = tuple(Column(name, Datatype.INT) for name in names)
    metadata = ResultMetadata(coosys=(CoordinateSystem("ICRS", ("1",)),))
    document = write("votable", columns, [], metadata=metadata)
    identifiers = [element.get("ID") for element in etree.fromstring(document).iter() if element.get("ID")]
    assert len(set(identifiers)) == len(names) + 1
    assert all(etree.QName(identifier).localname == identifier for identifier in identifiers if identifier)
    assert [field.get("name") for field in elements(document, "FIELD")] == names


def test_systems_of_times_are_told_and_referred_to(shared_folder: Path | None) -> None:
    columns = tuple(Column(name, Datatype.DOUBLE, unit="d") for name in ("t", "u", "other"))
    times = (TimeSystem("TCB", "BARYCENTER", ("t", "not there")), TimeSystem("UTC", "TOPOCENTER", ("u",)))
    document = write("votable", columns, [], metadata=ResultMetadata(timesys=times))
    assert faults(document, shared_folder) == []
    found = {element.get("ID"): dict(element.attrib) for element in elements(document, "TIMESYS")}
    told = {field.get("name"): found.get(field.get("ref")) for field in elements(document, "FIELD")}
    assert told["t"] == {"ID": "timesys_1", "timeorigin": "MJD-origin", "timescale": "TCB", "refposition": "BARYCENTER"}
    assert told["u"] is not None
    assert told["u"]["timescale"] == "UTC"
    assert told["other"] is None


def test_facts_that_are_known_at_last_stand_behind_the_table() -> None:
    columns = (Column("n", Datatype.INT),)
    outcome = Outcome(0, infos=(("found", "7", ""), ("failed", "1", "no position")))
    document = write("votable", columns, [], outcome=outcome)
    table, *last = list(etree.fromstring(document)[0])[-3:]
    assert table.tag == f"{NAMESPACE}TABLE"
    told = [(info.tag, info.get("name"), info.get("value"), info.text) for info in last]
    assert told == [(f"{NAMESPACE}INFO", "found", "7", None), (f"{NAMESPACE}INFO", "failed", "1", "no position")]


@pytest.mark.parametrize("form", SERIALIZATIONS)
def test_the_null_integer_is_declared_only_where_nothing_else_tells(form: str) -> None:
    columns = (
        Column("scalar", Datatype.SHORT),
        Column("byte", Datatype.UNSIGNED_BYTE),
        Column("array", Datatype.LONG, "*"),
        Column("bytes", Datatype.UNSIGNED_BYTE, "*"),
        Column("float", Datatype.FLOAT),
    )
    fields = elements(write(form, columns, []), "FIELD")
    declared = {
        field.get("name"): values.get("null") for field in fields for values in field.iter(NAMESPACE + "VALUES")
    }
    scalars = {"scalar": "-32768", "byte": "255"} if form == "votable/b" else {}
    assert declared == {**scalars, "array": "-9223372036854775808"}


@pytest.mark.parametrize("form", SERIALIZATIONS)
def test_a_table_without_rows(form: str) -> None:
    columns = columns_of_sample(SAMPLE)
    document = write(form, columns, [batch_of(SAMPLE).slice(0, 0)], outcome=Outcome(rows=0, overflow=True))
    assert read_votable(document, columns) == [[] for _ in columns]
    assert statuses(document) == [("OK", False), ("OVERFLOW", True)]
    assert stilts("tpipe", "in=-", "ifmt=votable", "omode=count", document=document).split() == [
        "columns:",
        str(len(columns)),
        "rows:",
        "0",
    ]


def statuses(document: bytes) -> list[tuple[str | None, bool]]:
    """Return the QUERY_STATUS marks, each with whether it comes after the TABLE."""
    return [
        (info.get("value"), bool(info.xpath("preceding-sibling::*[local-name()='TABLE']")))
        for info in elements(document, "INFO")
        if info.get("name") == "QUERY_STATUS"
    ]


@pytest.mark.parametrize("form", SERIALIZATIONS)
def test_an_error_in_mid_stream_closes_the_document(form: str) -> None:
    columns = columns_of_sample(SAMPLE)
    outcome = Outcome(rows=1, overflow=True, error="the database went away & <that> is all")
    document = write(form, columns, [batch_of(SAMPLE).slice(0, 1)], outcome=outcome)
    assert [len(cells) for cells in read_votable(document, columns)] == [1] * len(columns)
    assert statuses(document) == [("OK", False), ("ERROR", True)]
    assert elements(document, "INFO")[-1].text == outcome.error


@pytest.mark.parametrize("form", SERIALIZATIONS)
def test_a_batch_that_cannot_be_written_leaves_no_trace(form: str) -> None:
    column = Column("level", Datatype.UNSIGNED_BYTE)
    writer = find_format(form)[0].writer((column,), ResultMetadata())
    document = writer.begin()
    document += b"".join(map(bytes, writer.batch(batch_of([(column, [1, 2])]))))
    values = np.zeros(2 * PIECE, np.int64)  # several pieces, and the value that does not fit is in the last
    values[-1] = 1000
    with pytest.raises(TableError, match="'level'"):
        writer.batch(pa.RecordBatch.from_arrays([pa.array(values)], names=["level"]))
    document += b"".join(map(bytes, writer.end(Outcome(rows=2, error="level is too high"))))
    assert read_votable(document, (column,)) == [[1, 2]]


@pytest.mark.parametrize("form", SERIALIZATIONS)
def test_a_late_cell_that_cannot_be_written_leaves_no_trace(form: str) -> None:
    columns = (Column("id", Datatype.LONG), Column("pair", Datatype.UNSIGNED_BYTE, "*"))
    writer = find_format(form)[0].writer(columns, ResultMetadata())
    document = writer.begin()
    document += b"".join(map(bytes, writer.batch(batch_of([(columns[0], [1]), (columns[1], [[7]])]))))
    rows = 3 * PIECE // 8
    pairs: list[list[int | None]] = [[1]] * rows
    pairs[-1] = [None]
    with pytest.raises(TableError, match="'pair'"):
        writer.batch(batch_of([(columns[0], list(range(rows))), (columns[1], pairs)]))
    document += b"".join(map(bytes, writer.end(Outcome(rows=1, error="a null"))))
    assert read_votable(document, columns) == [[1], [[7]]]


def test_an_error_document_has_the_message_and_no_table() -> None:
    document = error_document("Line 1: no <table> 'x' & \x07", infos=(("QUERY", "SELECT", ""),))
    info, query = elements(document, "INFO")
    assert (info.get("name"), info.get("value"), info.text) == ("QUERY_STATUS", "ERROR", "Line 1: no <table> 'x' & ")
    assert (query.get("name"), query.get("value")) == ("QUERY", "SELECT")
    (resource,) = elements(document, "RESOURCE")
    assert resource.get("type") == "results"
    assert not elements(document, "TABLE")
    assert parse(io.BytesIO(document)).resources[0].infos[0].value == "ERROR"


def test_an_error_document_is_never_without_a_message() -> None:
    assert elements(error_document("  "), "INFO")[0].text


def test_control_characters_are_left_out_and_the_rest_is_kept() -> None:
    column = Column("text", Datatype.UNICODE_CHAR, "*")
    texts = ["a\x00b\x1f\x0b", "tab\tline\nreturn\r.", "\uffff\ufffe\ufffd\uefff", "\x7f\x85 ]]> &amp; <x>"]
    document = write("votable/td", (column,), [batch_of([(column, texts)])])
    cells = [cell.text for cell in elements(document, "TD")]
    assert cells == ["ab", "tab\tline\nreturn\r.", "\ufffd\uefff", "\x7f\x85 ]]> &amp; <x>"]


def test_char_beyond_ascii_is_utf8() -> None:
    column = Column("text", Datatype.CHAR, "*")
    document = write("votable/td", (column,), [batch_of([(column, ["Ångström 😀"])])])
    assert [cell.text for cell in elements(document, "TD")] == ["Ångström 😀"]


COMPLEX: Sample = [
    (Column("z", Datatype.DOUBLE_COMPLEX), [[1.5, -2.0], None, [INFINITY, -0.0]]),
    (Column("zs", Datatype.FLOAT_COMPLEX, "2"), [[1.0, 2.0, 3.0, 4.0], [0.5] * 4, [0.0] * 4]),
    (Column("more", Datatype.FLOAT_COMPLEX, "*"), [[1.0, 2.0], None, [5.0, 6.0, 7.0, 8.0]]),
    (Column("after", Datatype.INT), [1, None, 3]),
]


@pytest.mark.parametrize("form", SERIALIZATIONS)
def test_complex_numbers(form: str) -> None:
    document = write(form, columns_of_sample(COMPLEX), [batch_of(COMPLEX)])
    assert [(field.get("datatype"), field.get("arraysize")) for field in elements(document, "FIELD")][:3] == [
        ("doubleComplex", None),
        ("floatComplex", "2"),
        ("floatComplex", "*"),
    ]
    table = parse_single_table(io.BytesIO(document)).array
    assert [table["z"][0], table["z"][2]] == [1.5 - 2j, complex(INFINITY, -0.0)]
    assert table["zs"].tolist() == [[1 + 2j, 3 + 4j], [0.5 + 0.5j] * 2, [0j] * 2]
    assert table["more"][2].tolist() == [5 + 6j, 7 + 8j]
    assert table["after"].tolist() == [1, None, 3]
    # votlint 3.4 takes the empty TD of a null for a wrong number of elements, and STIL the count for that of all parts.
    sample = COMPLEX[1:] if form == "votable/td" else [*COMPLEX[:2], COMPLEX[3]]
    document = write(form, columns_of_sample(sample), [batch_of(sample)])
    assert stilts("votlint", "votable=-", document=document) == ""


def test_a_null_complex_number_is_an_empty_cell() -> None:
    document = write("votable/td", columns_of_sample(COMPLEX), [batch_of(COMPLEX)])
    assert [cell.text for cell in elements(document, "TD")][:8:4] == ["1.5 -2", None]


def test_the_header_alone_is_a_document_without_data(shared: pathlib.Path) -> None:
    columns = columns_of_sample(SAMPLE)
    document = header_document(columns, METADATA)
    assert validate(shared, document) == []
    assert not elements(document, "DATA")
    whole = write("votable", columns, [], metadata=METADATA)
    for name in ("FIELD", "INFO", "COOSYS", "TABLE"):
        assert [dict(element.attrib) for element in elements(document, name)] == [
            dict(element.attrib) for element in elements(whole, name)
        ]
    assert statuses(document) == [("OK", False)]


@pytest.mark.parametrize(
    ("outcome", "status"),
    [(Outcome(rows=2, overflow=True), "OVERFLOW"), (Outcome(rows=2, overflow=True, error="it broke"), "ERROR")],
)
def test_the_header_alone_tells_how_the_rows_ended(outcome: Outcome, status: str) -> None:
    document = header_document(columns_of_sample(SCALARS), ResultMetadata(), outcome=outcome)
    assert statuses(document) == [("OK", False), (status, True)]


SERVICES = (
    ServiceDescriptor(
        "https://example.org/cut?x=1&y",
        (
            ServiceParameter("ID", column="source_id"),
            ServiceParameter(
                "CIRCLE",
                datatype=Datatype.DOUBLE,
                arraysize="3",
                xtype="circle",
                unit="deg",
                description="Where & what",
            ),
            ServiceParameter("RESPONSEFORMAT", value="application/fits"),
        ),
        identifier="flag",
        name="cut <outs>",
        description="Cut & out",
        standard_id="ivo://ivoa.net/std/SODA#sync-1.0",
        content_type="application/fits",
    ),
    ServiceDescriptor("https://example.org/none", (ServiceParameter("ID", column="not there"),)),
)


@pytest.mark.parametrize("version", ["1.4", "1.5"])
def test_services_follow_the_rows(version: str, shared: pathlib.Path) -> None:
    document = write(
        f"text/xml;serialization=tabledata;version={version}",
        columns_of_sample(SCALARS),
        sliced(batch_of(SCALARS)),
        metadata=ResultMetadata(services=SERVICES),
        outcome=Outcome(rows=4, overflow=True),
    )
    assert validate(shared, document) == []
    if version == "1.4":  # votlint 3.4 knows no later one
        assert stilts("votlint", "votable=-", document=document) == ""
    results, service = etree.fromstring(document)
    assert (results.get("type"), service.get("type"), service.get("utype")) == ("results", "meta", "adhoc:service")
    assert (service.get("ID"), service.get("name"), service[0].text) == ("flag", "cut <outs>", "Cut & out")
    identifiers = [element.get("ID") for element in etree.fromstring(document).iter() if element.get("ID")]
    assert len(set(identifiers)) == len(SCALARS) + 1

    (read,) = TAPResults(parse(io.BytesIO(document))).iter_adhocservices()
    assert {param.name: param.value for param in read.params} == {
        "accessURL": "https://example.org/cut?x=1&y",
        "standardID": "ivo://ivoa.net/std/SODA#sync-1.0",
        "contentType": "application/fits",
    }
    inputs = {param.name: param for param in read.groups[0].entries}
    assert (inputs["ID"].ref, inputs["ID"].datatype) == ("source_id", "long")
    assert (inputs["CIRCLE"].xtype, inputs["CIRCLE"].description) == ("circle", "Where & what")
    assert inputs["RESPONSEFORMAT"].value == "application/fits"


def test_stilts_knows_where_the_parameters_of_a_service_come_from() -> None:
    metadata = ResultMetadata(services=SERVICES)
    document = write("votable/td", columns_of_sample(SCALARS), [batch_of(SCALARS)], metadata=metadata)
    report = stilts("datalinklint", "votable=-", document=document)
    assert [line.split(" ", 1)[1] for line in report.splitlines() if line.startswith("I-SDPR")] == [
        "FIXED parameter count 1 [RESPONSEFORMAT]",
        "ROW parameter count 1 [ID]",
        "USER parameter count 1 [CIRCLE]",
    ]
