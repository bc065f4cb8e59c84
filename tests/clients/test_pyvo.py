"""pyvo: queries, browsing, examples, and what it tells when something is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import pyvo
from astropy import units
from pyvo.dal.query import DALQuery

from tests.conftest import BIG_ROWS, Service
from tests.tap.asking import adql


@pytest.fixture
def tap(service: Service) -> Any:
    return pyvo.dal.TAPService(service.tap)


def test_search(tap: Any) -> None:
    result = tap.search("SELECT * FROM demo.big WHERE random_index < 100 ORDER BY random_index")
    assert len(result) == 100
    table = result.to_qtable()
    assert table["ra"].unit == units.deg
    assert table["pmra"].unit == units.mas / units.yr
    assert table["random_index"].tolist() == list(range(100))
    assert result.getdesc("ra").ucd == "pos.eq.ra;meta.main"
    missing = np.isnan(np.ma.filled(result["parallax"], np.nan))
    nulls = tap.search("SELECT COUNT(*) AS n FROM demo.big WHERE random_index < 100 AND parallax IS NULL")
    assert missing.sum() == nulls["n"][0]


def test_all_rows_of_a_table(tap: Any) -> None:
    result = tap.run_sync("SELECT source_id, ra, dec FROM demo.big")
    assert len(set(result["source_id"].tolist())) == len(result) == BIG_ROWS


def test_by_get(service: Service) -> None:
    query = DALQuery(f"{service.tap}/sync", LANG="ADQL", QUERY="SELECT TOP 3 hip, uw FROM hipparcos.hip2 ORDER BY hip")
    result = query.execute()
    assert result["hip"].tolist() == [1, 2, 3]
    assert result["uw"].shape == (3, 15)


def test_maxrec_and_overflow(tap: Any) -> None:
    cut = tap.search("SELECT ra FROM demo.big", maxrec=7)
    assert (len(cut), cut.status[0]) == (7, "OVERFLOW")
    whole = tap.search("SELECT TOP 7 ra FROM demo.big", maxrec=7)
    assert (len(whole), whole.status[0]) == (7, "OK")
    empty = tap.search("SELECT ra, dec FROM demo.big WHERE ra < 0")
    assert (len(empty), empty.fieldnames, empty.status[0]) == (0, ("ra", "dec"), "OK")


def test_limits_and_formats(service: Service, tap: Any) -> None:
    assert tap.maxrec == service.settings.default_maxrec
    assert tap.hardlimit == service.settings.hard_maxrec
    [capability] = [item for item in tap.capabilities if item.standardid == "ivo://ivoa.net/std/TAP"]
    [language] = capability.languages
    assert {version.content for version in language.versions} == {"2.0", "2.1"}
    methods = {method.ivo_id.rpartition("#")[2] for method in tap.upload_methods}
    assert methods == {"upload-inline", "upload-http", "upload-https"}


def test_every_table_and_column_is_browsed(service: Service, tap: Any) -> None:
    counts = dict(
        adql(
            service, "SELECT table_name, COUNT(*) AS n FROM tap_schema.columns GROUP BY table_name", FORMAT="csv"
        ).csv()
    )
    assert set(tap.tables.keys()) == set(counts)
    for name, table in tap.tables.items():
        assert table.description
        assert len(table.columns) == int(counts[name])
        for column in table.columns:
            assert column.name
            assert column.description
            assert column.datatype.content in ("char", "unicodeChar", "short", "int", "long", "float", "double")


def test_every_example_runs(tap: Any) -> None:
    assert len(tap.examples) >= 5
    for example in tap.examples:
        assert len(example.execute()) > 0


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT raa FROM demo.big", "There is no column raa"),
        ("SELECT ra FROM nowhere.big", "There is no table nowhere.big"),
        ("SELECT ra FRM demo.big", "line 1"),
    ],
)
def test_the_reason_of_a_failure_is_told(tap: Any, query: str, reason: str) -> None:
    with pytest.raises(pyvo.dal.DALQueryError, match=reason):
        tap.search(query)
