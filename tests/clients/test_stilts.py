"""STILTS tapquery, synchronous: what the command line of many astronomers gets."""

from __future__ import annotations

import csv
import subprocess
from urllib.parse import urlencode

import pytest

from tests.conftest import Service
from tests.tap.asking import adql

QUERY = "SELECT TOP 40 hip, ra, dec, plx, va, bv FROM hipparcos.hip2 WHERE plx > 100 ORDER BY hip"


def tapquery(service: Service, query: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = ["stilts", "tapquery", "sync=true", f"tapurl={service.tap}", f"adql={query}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=check, timeout=120)


def test_the_rows_of_a_query(service: Service) -> None:
    got = tapquery(service, QUERY, "ofmt=csv").stdout.strip().splitlines()
    wanted = adql(service, QUERY, FORMAT="csv").csv()
    assert got[0] == "hip,ra,dec,plx,va,bv"
    assert len(got) == 41
    for line, row in zip(got[1:], wanted, strict=True):
        assert [float(cell) for cell in line.split(",")] == pytest.approx([float(cell) for cell in row])


def test_metadata_arrives(service: Service) -> None:
    text = tapquery(service, "SELECT TOP 1 ra, uw FROM hipparcos.hip2", "omode=meta").stdout
    for words in ("ra(Double)/deg - Right ascension in ICRS", "uw(double[15])", "QUERY_STATUS"):
        assert words in text


@pytest.mark.parametrize("interface", ["tap1.0", "tap1.1", "cap"])
def test_every_interface_of_stilts(service: Service, interface: str) -> None:
    """The oldest one still sends REQUEST=doQuery."""
    result = tapquery(
        service, "SELECT COUNT(*) AS n FROM gaia_dr3.bright", f"interface={interface}", "ofmt=csv-noheader"
    )
    assert result.stdout.strip() == "482106"


def test_the_syntax_checker_of_stilts_takes_the_tables(service: Service) -> None:
    cone = "1 = CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', 56.75, 24.12, 1))"
    query = f"SELECT TOP 3 ra FROM gaia_dr3.bright WHERE {cone}"
    assert len(tapquery(service, query, "parse=true", "ofmt=csv-noheader").stdout.split()) == 3


def test_maxrec(service: Service) -> None:
    assert len(tapquery(service, QUERY, "maxrec=5", "ofmt=csv-noheader").stdout.split()) == 5


def test_the_reason_of_a_failure_is_told(service: Service) -> None:
    result = tapquery(service, "SELECT raa FROM demo.big", "parse=false", check=False)
    assert result.returncode != 0
    assert "There is no column raa" in result.stderr
    assert "Did you mean ra?" in result.stderr


@pytest.mark.parametrize("form", ["votable", "votable/b", "votable/td", "csv"])
def test_stilts_reads_every_form(service: Service, form: str) -> None:
    """`tapquery` cannot ask for a form, so the answers are read as tables from the service's URL."""
    query = "SELECT * FROM tap_schema.columns WHERE table_name LIKE 'tap_schema.%' ORDER BY table_name, column_index"
    url = f"{service.tap}/sync?" + urlencode({"LANG": "ADQL", "RESPONSEFORMAT": form, "QUERY": query})
    ifmt = "csv" if form == "csv" else "votable"
    columns = "table_name column_name datatype std"
    command = ["stilts", "tpipe", f"in={url}", f"ifmt={ifmt}", f"cmd=keepcols '{columns}'", "ofmt=csv-noheader"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.splitlines()
    wanted = adql(service, query.replace("*", columns.replace(" ", ", ")), FORMAT="csv").csv()
    assert list(csv.reader(lines)) == wanted
