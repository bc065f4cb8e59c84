"""Results in every format, as the clients of each read them: the same values, units and nulls as in the VOTable."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy import units
from astropy.io import fits
from astropy.io.votable import parse_single_table
from astropy.table import Table
from lxml import html

from tests.conftest import Service
from tests.tap.asking import adql
from vo.core.tables.writers import FORMATS

QUERY = (
    "SELECT TOP 300 source_id, ra, dec, parallax, phot_g_mean_mag, bp_rp, random_index FROM demo.big "
    "WHERE parallax IS NULL OR random_index < 200 ORDER BY random_index"
)
ARRAYS = "SELECT TOP 20 hip, plx, uw, va, bv FROM hipparcos.hip2 ORDER BY hip"


def result(service: Service, form: str, query: str = QUERY) -> bytes:
    answer = adql(service, query, RESPONSEFORMAT=form)
    assert answer.status == 200, answer.text[:1000]
    return answer.body


@pytest.fixture(scope="module")
def wanted(service: Service) -> Table:
    """The result as astropy reads the VOTable, which other tests have compared with the database."""
    return read_votable(result(service, "votable"))


def read_votable(document: bytes) -> Table:
    return parse_single_table(io.BytesIO(document)).to_table()


def assert_same(got: Table, wanted: Table) -> None:
    """The values, and where they are unknown: a NaN is what formats without nulls have for that."""
    assert got.colnames == wanted.colnames
    for name in wanted.colnames:
        here, there = (np.ma.masked_invalid(np.ma.asarray(table[name])) for table in (wanted, got))
        assert there.dtype.newbyteorder("=") == here.dtype, name
        assert (np.ma.getmaskarray(there) == np.ma.getmaskarray(here)).all(), name
        assert (there == here).all(), name
    assert np.ma.getmaskarray(np.ma.masked_invalid(np.ma.asarray(wanted[wanted.colnames[1]]))).sum() < len(wanted)


def assert_described(got: Table, wanted: Table) -> None:
    for name in wanted.colnames:
        assert (got[name].unit, got[name].description) == (wanted[name].unit, wanted[name].description), name
    assert any(wanted[name].unit is not None for name in wanted.colnames)


@pytest.mark.parametrize("form", ["votable/b", "votable/td"])
def test_other_votables(service: Service, wanted: Table, form: str) -> None:
    got = read_votable(result(service, form))
    assert_same(got, wanted)
    assert_described(got, wanted)


def test_fits_in_astropy(service: Service, wanted: Table) -> None:
    document = result(service, "fits")
    with fits.open(io.BytesIO(document)) as hdus:
        hdus.verify("exception")
        assert b"<VOTABLE" in bytes(hdus[0].data)
    got = Table.read(io.BytesIO(document), hdu=1)
    assert_same(got, wanted)
    assert [column.unit for column in got.itercols()] == [column.unit for column in wanted.itercols()]


def test_ecsv_in_astropy(service: Service, wanted: Table) -> None:
    got = Table.read(result(service, "ecsv").decode(), format="ascii.ecsv")
    assert_same(got, wanted)
    assert_described(got, wanted)


def test_parquet_in_astropy(service: Service, wanted: Table, tmp_path: Path) -> None:
    path = tmp_path / "result.parquet"
    path.write_bytes(result(service, "parquet"))
    got = Table.read(path, format="parquet.votable")
    assert_same(got, wanted)
    assert_described(got, wanted)
    assert got["ra"].unit == units.deg


def as_table(rows: pa.Table) -> Table:
    """Return Arrow's table as astropy's."""
    columns = {}
    for name in rows.column_names:
        column = rows.column(name).combine_chunks()
        unknown = np.asarray(column.is_null())
        values = np.asarray(column.fill_null(0))
        columns[name] = np.ma.masked_array(values, unknown) if unknown.any() else values
    return Table(columns)


def test_parquet_and_arrow_in_pyarrow(service: Service, wanted: Table) -> None:
    parquet = pq.read_table(pa.BufferReader(result(service, "parquet")))
    arrow = pa.ipc.open_stream(result(service, "arrow")).read_all()
    for rows in (parquet, arrow):
        assert_same(as_table(rows), wanted)
    nulls = adql(service, "SELECT COUNT(*) AS n FROM demo.big WHERE parallax IS NULL", FORMAT="csv").csv()
    assert 0 < arrow.column("parallax").null_count <= int(nulls[0][0])


def test_arrays(service: Service) -> None:
    wanted = read_votable(result(service, "votable", ARRAYS))
    from_fits = Table.read(io.BytesIO(result(service, "fits", ARRAYS)), hdu=1)
    from_ecsv = Table.read(result(service, "ecsv", ARRAYS).decode(), format="ascii.ecsv")
    from_arrow = pa.ipc.open_stream(result(service, "arrow", ARRAYS)).read_all().column("uw").to_pylist()
    from_json = [row[2] for row in json.loads(result(service, "json", ARRAYS))["data"]]
    expected = np.asarray(wanted["uw"])
    assert expected.shape == (20, 15)
    for got in (from_fits["uw"], from_ecsv["uw"], from_arrow, from_json):
        np.testing.assert_array_equal(np.asarray(got, expected.dtype), expected)


def test_json(service: Service, wanted: Table) -> None:
    document = json.loads(result(service, "json"))
    assert [column["name"] for column in document["metadata"]] == wanted.colnames
    cells = [[None if value is np.ma.masked else value for value in row] for row in document["data"]]
    for name, values in zip(wanted.colnames, zip(*cells, strict=True), strict=True):
        column = np.ma.masked_invalid(np.ma.asarray(wanted[name]))
        assert [value is None for value in values] == np.ma.getmaskarray(column).tolist(), name
        known = [value for value in values if value is not None]
        assert np.asarray(known, column.dtype).tolist() == column.compressed().tolist(), name


def test_pages_and_plain_text_show_every_row(service: Service, wanted: Table) -> None:
    page = html.fromstring(result(service, "html"))
    shown = [["".join(map(str, cell.itertext())).strip() for cell in row.iter("td")] for row in page.iter("tr")]
    identifiers = [str(value) for value in wanted["source_id"]]
    assert [row[0] for row in shown if row] == identifiers
    lines = result(service, "text").decode().splitlines()
    assert [number for number in identifiers if not any(number in line for line in lines)] == []


@pytest.mark.parametrize("form", ["fits", "csv"])
def test_stilts(service: Service, form: str) -> None:
    """STILTS reads the answers from the service's address; VOTables are read so in other tests."""
    columns = "source_id phot_g_mean_mag"
    url = f"{service.tap}/sync?" + urlencode({"LANG": "ADQL", "RESPONSEFORMAT": form, "QUERY": QUERY})
    command = ["stilts", "tpipe", f"in={url}", f"ifmt={form}", f"cmd=keepcols '{columns}'", "ofmt=csv-noheader"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.splitlines()
    expected = adql(service, QUERY.replace("ra, dec, parallax, ", ""), FORMAT="csv").csv()
    assert len(lines) == 300
    for line, row in zip(csv.reader(lines), expected, strict=True):
        assert [float(cell or "nan") for cell in line] == pytest.approx(
            [float(cell or "nan") for cell in row[:2]], nan_ok=True
        )


def test_every_format_is_read_by_somebody() -> None:
    """Who adds a format adds its clients."""
    assert {form.name for form in FORMATS} == {
        "votable", "votable/b", "votable/td", "csv", "csv/bare", "tsv", "ecsv", "json", "html", "text", "fits",
        "parquet", "arrow",
    }  # fmt: skip
