from __future__ import annotations

import pytest

from vo.core.errors import ParameterError
from vo.core.tables import Column, Datatype
from vo.core.tables.writers import FORMATS, ResultMetadata, find_format

COLUMNS = (Column("a b", Datatype.INT),)


@pytest.mark.parametrize(
    ("asked", "name", "content_type"),
    [
        (None, "votable", "application/x-votable+xml"),
        ("", "votable", "application/x-votable+xml"),
        ("votable", "votable", "application/x-votable+xml"),
        (" VOTable ", "votable", "application/x-votable+xml"),
        ("votable/b2", "votable", "application/x-votable+xml"),
        ("votable/b", "votable/b", "application/x-votable+xml;serialization=binary"),
        ("votable/td", "votable/td", "application/x-votable+xml;serialization=tabledata"),
        ("application/x-votable+xml", "votable", "application/x-votable+xml"),
        ("application/x-votable xml", "votable", "application/x-votable+xml"),
        ("text/xml", "votable", "text/xml"),
        ("text/xml; serialization=TABLEDATA", "votable/td", "text/xml;serialization=TABLEDATA"),
        (
            "Application/X-VOTable+XML;Serialization=BINARY2",
            "votable",
            "application/x-votable+xml;serialization=BINARY2",
        ),
        (
            'application/x-votable+xml ; charset="UTF-8" ; serialization = tabledata',
            "votable/td",
            "application/x-votable+xml;charset=UTF-8;serialization=tabledata",
        ),
        ("csv", "csv", "text/csv;header=present;charset=utf-8"),
        ("text/csv", "csv", "text/csv;header=present;charset=utf-8"),
        ("text/csv; header=present", "csv", "text/csv;header=present"),
        ("text/csv;charset=utf-8;header=absent", "csv/bare", "text/csv;charset=utf-8;header=absent"),
        ("tsv", "tsv", "text/tab-separated-values;charset=utf-8"),
        ("text/tab-separated-values", "tsv", "text/tab-separated-values;charset=utf-8"),
    ],
)
def test_formats_are_found_by_name_and_media_type(asked: str | None, name: str, content_type: str) -> None:
    form, answered = find_format(asked)
    assert (form.name, answered) == (name, content_type)


@pytest.mark.parametrize(
    "asked",
    [
        "parquet4",
        "text/latex",
        "votable;serialization=fits",
        "application/x-votable+xml;serialization=fits",
        "application/x-votable+xml;version=1.1",
        "application/x-votable+xml;serialization=binary;serialization=binary2",
        "text/csv;header=maybe",
        "text/csv;version=1.4",
        "text/csv;charset=latin-1",
        "text/csv\r\nSet-Cookie: a=b",
        ";",
        "é" * 10_000,
    ],
)
def test_unknown_formats_are_refused_with_those_there_are(asked: str) -> None:
    with pytest.raises(ParameterError, match="there is no format") as refused:
        find_format(asked)
    assert refused.value.parameter == "RESPONSEFORMAT"
    assert len(str(refused.value)) < 1000
    assert "\n" not in refused.value.message
    assert all(form.name in str(refused.value) for form in FORMATS)


def test_what_is_declared_is_accepted() -> None:
    for form in FORMATS:
        for name in (form.name, form.media_type, *form.aliases):
            assert find_format(name)[0].name == form.name
    assert len({form.name for form in FORMATS}) == len({form.media_type for form in FORMATS}) == len(FORMATS)


def test_the_version_of_votable_can_be_asked_for() -> None:
    written = {}
    for asked in ("votable", "application/x-votable+xml;version=1.5", "text/xml;version=1.4;serialization=tabledata"):
        form, content_type = find_format(asked)
        assert "version" not in asked or content_type == asked
        written[asked] = form.writer(COLUMNS, ResultMetadata()).begin()
    assert [text.split(b"<VOTABLE version=")[1][:5] for text in written.values()] == [b'"1.4"', b'"1.5"', b'"1.4"']
