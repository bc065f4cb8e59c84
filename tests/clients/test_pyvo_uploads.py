"""pyvo: tables sent along with queries come back identical, and joins with them find what NumPy finds."""

from __future__ import annotations

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import pyvo
from astropy import units
from astropy.table import Column, MaskedColumn, Table
from numpy.typing import NDArray

from tests.conftest import Service
from tests.tap.asking import adql

# astropy says that it made identifiers of names that are none; they are odd on purpose.
pytestmark = pytest.mark.filterwarnings("ignore:.*Implicitly generating an ID")

ROWS = 60
RADIUS = 0.02
"""Degrees."""
ALL = "SELECT * FROM TAP_UPLOAD.mine"
PHRASINGS = [
    "TAP_UPLOAD.stars AS u JOIN gaia_dr3.bright AS g ON DISTANCE(POINT(u.ra, u.dec), POINT(g.ra, g.dec)) < {r}",
    "TAP_UPLOAD.stars AS u JOIN gaia_dr3.bright AS g ON DISTANCE(POINT(g.ra, g.dec), POINT(u.ra, u.dec)) < {r}",
    "gaia_dr3.bright AS g JOIN TAP_UPLOAD.stars AS u ON {r} > DISTANCE(u.ra, u.dec, g.ra, g.dec)",
    "TAP_UPLOAD.stars AS u, gaia_dr3.bright AS g WHERE DISTANCE(g.ra, g.dec, u.ra, u.dec) < {r}",
    "gaia_dr3.bright AS g, TAP_UPLOAD.stars AS u WHERE DISTANCE(u.ra, u.dec, g.ra, g.dec) < {r}",
    "TAP_UPLOAD.stars AS u JOIN gaia_dr3.bright AS g ON 1 = CONTAINS(POINT(g.ra, g.dec), CIRCLE(u.ra, u.dec, {r}))",
    "TAP_UPLOAD.stars AS u JOIN gaia_dr3.bright AS g ON 1 = CONTAINS(POINT(u.ra, u.dec), CIRCLE(g.ra, g.dec, {r}))",
    "gaia_dr3.bright AS g JOIN TAP_UPLOAD.stars AS u ON "
    "CONTAINS(POINT('ICRS', u.ra, u.dec), CIRCLE('ICRS', g.ra, g.dec, {r})) = 1",
    "gaia_dr3.bright AS g, TAP_UPLOAD.stars AS u WHERE 1 = INTERSECTS(CIRCLE(u.ra, u.dec, {r}), POINT(g.ra, g.dec))",
    "TAP_UPLOAD.stars AS u JOIN gaia_dr3.bright AS g ON 1 = INTERSECTS(POINT(u.ra, u.dec), CIRCLE(g.ra, g.dec, {r}))",
    "TAP_UPLOAD.stars AS u LEFT JOIN gaia_dr3.bright AS g ON DISTANCE(u.ra, u.dec, g.ra, g.dec) < {r} "
    "WHERE g.source_id IS NOT NULL",
]


def everything() -> Table:
    """A table of what astropy can hold, in an order that is not the sky's."""
    random = np.random.default_rng(5)
    count = np.arange(ROWS)
    odd = random.normal(size=ROWS)
    odd[[3, 4, 5]] = np.nan, np.inf, -np.inf
    return Table(
        {
            "id": count.astype("i8") * 10**15 - 7,
            "masked int": MaskedColumn(count.astype("i4"), mask=count % 3 == 0),
            "masked long": MaskedColumn(count.astype("i8"), mask=count % 7 == 0),
            "short": count.astype("i2") - 30,
            "byte": count.astype("u1") * 4,
            "RAJ2000": Column(random.uniform(0, 360, ROWS), unit="deg", description="Right ascension <ICRS> & more"),
            "DEJ2000": Column(random.uniform(-90, 90, ROWS), unit="deg", description="Declination"),
            "pm": Column(odd, unit=units.mas / units.yr),
            "float": odd.astype("f4"),
            "masked float": MaskedColumn(odd, mask=count % 4 == 1),
            "flag": count % 2 == 0,
            "masked flag": MaskedColumn(count % 2 == 0, mask=count % 5 == 0),
            "ascii": [f"star {number}" for number in count],
            "unicode": [f"☉ Ångström {number} ю" for number in count],
            'odd name; "quoted", <&>': count,
            "SELECT": count,
            "two by three": random.normal(size=(ROWS, 2, 3)),
            "four": random.integers(-9, 9, size=(ROWS, 4)).astype("i4"),
        }
    )


def assert_identical(got: Table, sent: Table) -> None:
    assert got.colnames == sent.colnames
    for name in sent.colnames:
        here, there = sent[name], got[name]
        assert there.dtype == here.dtype, name
        assert (there.unit, there.description) == (here.unit, here.description), name
        values = np.ma.getdata(here)
        # astropy writes the shape of arrays the other way round than it reads it; the values keep their order.
        returned = np.ma.getdata(there).reshape(values.shape)
        hidden = np.ma.getmaskarray(here)
        if values.dtype.kind == "f":  # astropy masks each NaN that it reads
            assert (np.ma.getmaskarray(there).reshape(values.shape) == (hidden | np.isnan(values))).all(), name
            hidden = hidden | np.isnan(values)
        else:
            assert (np.ma.getmaskarray(there) == hidden).all(), name
        assert (returned[~hidden] == values[~hidden]).all(), name


def test_a_table_comes_back_identical(tap: Any) -> None:
    """In the order of its rows too, although a table with positions is stored in another."""
    table = everything()
    assert_identical(tap.run_sync(ALL, uploads={"mine": table}).to_table(), table)
    assert_identical(tap.run_async(ALL, uploads={"mine": table}).to_table(), table)


def test_texts_longer_than_declared(tap: Any) -> None:
    """astropy counts characters; VOTable counts halves of those beyond the first 65,536."""
    table = Table({"text": ["a", "😀🔭", "é"], "id": [1, 2, 3]})
    assert tap.run_sync(ALL, uploads={"mine": table})["text"].tolist() == ["a", "😀🔭", "é"]


def test_odd_names_are_written_in_quotes(tap: Any) -> None:
    table = everything()
    query = 'SELECT "odd name; ""quoted"", <&>" AS odd, "SELECT" AS word FROM TAP_UPLOAD.mine WHERE "masked int" < 10'
    wanted = [number for number in range(10) if number % 3]
    result = tap.run_sync(query, uploads={"mine": table})
    assert result["odd"].tolist() == result["word"].tolist() == wanted


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # pyvo leaves it open
@pytest.mark.parametrize("suffix", ["vot", "csv", "ecsv"])
def test_a_file(tap: Any, tmp_path: Path, suffix: str) -> None:
    """FITS goes with other clients: pyvo opens files as text."""
    path = tmp_path / f"mine.{suffix}"
    table = Table({"id": [5, 4, 3], "name": ["a", "b c", "d"], "x": [0.5, 1e300, -0.25]})
    table.write(path, format="votable" if suffix == "vot" else f"ascii.{suffix}")
    got = tap.run_sync(ALL, uploads={"mine": str(path)}).to_table()
    assert [got[name].tolist() for name in table.colnames] == [table[name].tolist() for name in table.colnames]


def test_a_result_is_sent_again(tap: Any) -> None:
    first = tap.run_sync("SELECT TOP 7 hip, ra, dec FROM hipparcos.hip2 ORDER BY hip")
    again = tap.run_sync(
        "SELECT hip, plx FROM hipparcos.hip2 JOIN TAP_UPLOAD.mine USING (hip)", uploads={"mine": first}
    )
    assert sorted(again["hip"].tolist()) == first["hip"].tolist()


def test_several_tables(tap: Any) -> None:
    one, two = Table({"id": [1, 2, 3]}), Table({"id": [2, 3, 4], "name": ["b", "c", "d"]})
    query = "SELECT name FROM TAP_UPLOAD.one JOIN TAP_UPLOAD.two USING (id) ORDER BY name"
    assert tap.run_sync(query, uploads={"one": one, "two": two})["name"].tolist() == ["b", "c"]


def test_a_job_gets_its_table_before_it_runs(tap: Any) -> None:
    with tap.submit_job("SELECT SUM(id) AS total FROM TAP_UPLOAD.mine") as job:
        job.upload(mine=Table({"id": np.arange(101)}))
        job.run()
        job.wait(phases={"COMPLETED", "ERROR"}, timeout=60)
        assert job.fetch_result()["total"].tolist() == [5050]


def test_the_result_of_a_job_by_its_address(tap: Any) -> None:
    with tap.submit_job("SELECT TOP 9 hip FROM hipparcos.hip2 ORDER BY hip") as job:
        job.run()
        job.wait(phases={"COMPLETED", "ERROR"}, timeout=60)
        got = tap.run_sync(ALL, uploads={"mine": job.result_uri})
        assert got["hip"].tolist() == job.fetch_result()["hip"].tolist()


def test_addresses_elsewhere_are_refused_here(tap: Any, tmp_path: Path) -> None:
    """The service of these tests has no VO_UPLOAD_HOSTS, and what it says is the same whether anybody answers there."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=tmp_path)) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            with pytest.raises(pyvo.dal.DALQueryError, match=r"127\.0\.0\.1 is not a public host"):
                tap.run_sync(ALL, uploads={"mine": f"http://127.0.0.1:{server.server_port}/mine.vot"})
        finally:
            server.shutdown()
            thread.join()


def test_the_reason_of_a_failure_is_told(tap: Any) -> None:
    table = Table({"id": [1]})
    with pytest.raises(pyvo.dal.DALQueryError, match="There is no column idd"):
        tap.run_sync("SELECT idd FROM TAP_UPLOAD.mine", uploads={"mine": table})
    with pytest.raises(pyvo.dal.DALQueryError, match=r"There is no table TAP_UPLOAD\.yours"):
        tap.run_sync("SELECT id FROM TAP_UPLOAD.yours", uploads={"mine": table})


def vectors(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> NDArray[np.float64]:
    lon, lat = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


@pytest.fixture(scope="module")
def pairs(service: Service) -> tuple[Table, set[tuple[int, int]]]:
    """Some places on the sky, near to stars and elsewhere, and which star is near to which by plain NumPy."""
    answer = adql(service, "SELECT source_id, ra, dec FROM gaia_dr3.bright", FORMAT="arrow")
    catalogue = pa.ipc.open_stream(answer.body).read_all()
    ids, ra, dec = (catalogue.column(name).to_numpy() for name in ("source_id", "ra", "dec"))
    random = np.random.default_rng(2)
    extremes = [order[place] for order in (np.argsort(ra), np.argsort(dec)) for place in (0, 1, -1, -2)]
    near = np.concatenate([random.choice(len(ra), 150), extremes])
    nudges = random.normal(0, 0.01, (2, len(near)))
    places = np.concatenate([ra[near] + nudges[0], random.uniform(0, 360, 50), [0.0, 359.9999]])
    heights = np.concatenate([dec[near] + nudges[1], random.uniform(-90, 90, 50), [90.0, -90.0]])
    table = Table({"id": np.arange(len(places)), "ra": places % 360, "dec": np.clip(heights, -90, 90)})
    stars = vectors(ra, dec)
    found = set()
    for number, target in enumerate(vectors(table["ra"], table["dec"])):
        candidates = np.flatnonzero(stars @ target > np.cos(np.radians(2 * RADIUS)))
        chords = np.sqrt(((stars[candidates] - target) ** 2).sum(axis=1))
        distance = 2 * np.degrees(np.arcsin(chords / 2))
        found |= {(number, int(star)) for star in ids[candidates[distance < RADIUS]]}
    assert 150 < len(found) < 5000
    return table, found


@pytest.mark.parametrize("phrasing", PHRASINGS)
def test_joins_on_the_sky(tap: Any, pairs: tuple[Table, set[tuple[int, int]]], phrasing: str) -> None:
    table, wanted = pairs
    query = f"SELECT u.id, g.source_id FROM {phrasing.format(r=RADIUS)}"
    result = tap.run_sync(query, uploads={"stars": table})
    found = list(zip(result["id"].tolist(), result["source_id"].tolist(), strict=True))
    assert len(found) == len(set(found))
    assert set(found) == wanted
