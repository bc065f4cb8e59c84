"""The demonstration catalogues as the running service has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest

from tap.tables.models import TableName
from tests.conftest import BIG_ROWS, Service
from vo.core.errors import ConfigurationError
from vo.demo.catalogues import CATALOGUES, DemoCatalogue, demo_description

BARNARD = 4472832130942575872
BARNARD_HIP = 87937


@pytest.fixture
def cursor(service: Service) -> Iterator[psycopg2.extensions.cursor]:
    connection = service.connect()
    yield connection.cursor()
    connection.close()


def rows(cursor: psycopg2.extensions.cursor, query: str, *values: Any) -> list[tuple[Any, ...]]:
    cursor.execute(query, values)
    return cursor.fetchall()


def test_gaia(cursor: psycopg2.extensions.cursor) -> None:
    [found] = rows(
        cursor,
        """SELECT count(*), count(DISTINCT source_id), min(source_id) > 0, min(ra) >= 0, max(ra) < 360,
                  max(abs(dec)) <= 90,
                  count(*) FILTER (WHERE phot_bp_mean_mag = 0 OR phot_rp_mean_mag = 0),
                  corr(phot_g_mean_mag, phot_bp_mean_mag) > 0.85, corr(phot_g_mean_mag, phot_rp_mean_mag) > 0.9,
                  min(phot_bp_mean_mag) > 0, count(phot_bp_mean_mag) < count(*)
           FROM gaia_dr3.bright""",
    )
    assert found == (482_106, 482_106, True, True, True, True, 0, True, True, True, True)
    query = """SELECT round(phot_bp_mean_mag::numeric, 2), round(phot_rp_mean_mag::numeric, 2),
                      q3c_dist(ra, dec, 269.4485, 4.7394) < 0.01
               FROM gaia_dr3.bright WHERE source_id = %s"""
    [barnard] = rows(cursor, query, BARNARD)
    assert [str(value) for value in barnard] == ["9.79", "6.96", "True"]


def test_hipparcos(cursor: psycopg2.extensions.cursor) -> None:
    [found] = rows(
        cursor,
        """SELECT count(*), count(DISTINCT hip), min(ra) >= 0 AND max(ra) BETWEEN 359 AND 360,
                  min(dec) < -85 AND max(dec) > 85 AND max(abs(dec)) <= 90,
                  min(array_length(uw, 1)), max(array_length(uw, 1)), max(plx) > 700
           FROM hipparcos.hip2""",
    )
    assert found == (117_955, 117_955, True, True, 15, 15, True)
    [[ra, dec, plx]] = rows(cursor, "SELECT ra, dec, plx FROM hipparcos.hip2 WHERE hip = %s", BARNARD_HIP)
    assert (ra, dec, plx) == (
        pytest.approx(269.454, abs=1e-3),
        pytest.approx(4.668, abs=1e-3),
        pytest.approx(548, abs=2),
    )
    [[unit, size]] = rows(
        cursor,
        "SELECT (SELECT unit FROM tap_schema.columns WHERE table_name = 'hipparcos.hip2' AND column_name = 'ra'),"
        " (SELECT arraysize FROM tap_schema.columns WHERE table_name = 'hipparcos.hip2' AND column_name = 'uw')",
    )
    assert (unit, size) == ("deg", "15")


def test_the_epochs_differ_as_the_stars_moved(cursor: psycopg2.extensions.cursor) -> None:
    [[years]] = rows(
        cursor,
        """SELECT 3600e3 * (g.dec - h.dec) / h.pmdec FROM gaia_dr3.bright AS g, hipparcos.hip2 AS h
           WHERE g.source_id = %s AND h.hip = %s""",
        BARNARD,
        BARNARD_HIP,
    )
    assert years == pytest.approx(2016.0 - 1991.25, abs=0.1)


def test_metadata_are_complete(cursor: psycopg2.extensions.cursor) -> None:
    names = [str(catalogue.name) for catalogue in CATALOGUES]
    incomplete = rows(
        cursor,
        """SELECT table_name, column_name FROM tap_schema.columns
           WHERE table_name IN %s AND (description IS NULL OR ucd IS NULL)""",
        tuple(names),
    )
    assert incomplete == []
    epochs = {}
    for name, count, curation in rows(
        cursor,
        "SELECT table_name, row_count, curation FROM vo.published_tables WHERE table_name IN %s",
        tuple(names),
    ):
        epochs[name] = (curation.get("position") or {}).get("epoch")
        assert count == rows(cursor, f"SELECT count(*) FROM {name}")[0][0]
        assert curation["references"]
        assert curation["licence"]["name"]
        assert curation["acknowledgement"]
        assert curation["examples"]
        assert "synthetic" not in curation
    assert epochs == {
        "gaia_dr3.bright": "J2016.0",
        "hipparcos.hip2": "J1991.25",
        "gaia_dr3.xp_continuous_mean_spectrum": None,
    }


def test_big_is_resampled_from_the_real_stars(cursor: psycopg2.extensions.cursor) -> None:
    [found] = rows(
        cursor,
        """SELECT count(*), min(random_index), max(random_index), count(DISTINCT random_index),
                  count(DISTINCT source_id)
           FROM demo.big""",
    )
    assert found == (BIG_ROWS, 0, BIG_ROWS - 1, BIG_ROWS, BIG_ROWS)
    [[missing]] = rows(cursor, "SELECT avg((parallax IS NULL)::integer)::float8 FROM demo.big")
    assert missing == pytest.approx(0.05, abs=0.01)
    far = rows(
        cursor,
        """SELECT b.source_id FROM demo.big AS b
           WHERE NOT EXISTS (SELECT FROM gaia_dr3.bright AS g
                             WHERE q3c_join(b.ra, b.dec, g.ra, g.dec, 0.2000001)
                               AND g.phot_g_mean_mag = b.phot_g_mean_mag)""",
    )
    assert far == []
    [[synthetic]] = rows(
        cursor, "SELECT curation ->> 'synthetic' FROM vo.published_tables WHERE table_name = 'demo.big'"
    )
    assert "Nothing here was observed" in synthetic


@pytest.mark.parametrize("rows", ["0", "-5", "many"])
def test_demo_needs_a_number_of_rows(service: Service, rows: str) -> None:
    done = service.vo("demo", "--rows", rows, check=False)
    assert done.returncode == 2
    assert "--rows" in done.stderr


def test_a_missing_package_is_named() -> None:
    missing = DemoCatalogue(TableName("a", "b"), "gaia_dr3.yaml", "no_such_catalog")
    with pytest.raises(ConfigurationError, match="package no-such-catalog") as caught:
        missing.path()
    assert "vo-stack[demo]" in (caught.value.hint or "")


@pytest.mark.parametrize("name", ["gaia_dr3.yaml", "hipparcos.yaml", "big.yaml"])
def test_descriptions_tell_unit_and_ucd_of_every_column(name: str) -> None:
    for table in demo_description(name).tables:
        assert table.title
        assert table.position is not None
        assert table.description
        for column in table.columns:
            assert column.description, column.name
            assert column.ucd, column.name
            assert column.column() is not None
