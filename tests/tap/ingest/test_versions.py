"""Versions of tables: order on the sky, what fails leaves nothing, replacing under readers, tidying up."""

from __future__ import annotations

import http.client
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import psycopg2
import pyarrow as pa
import pytest
from astropy.table import Table

from tap.ingest.store import LOCK_SPACE, MARK, version_lock
from tap.ingest.sweep import sweep
from tests.conftest import Service, environment, wait_until
from tests.tap.asking import adql
from tests.tap.ingest.conftest import Trial
from vo.core.database import connect
from vo.core.errors import ServiceError, TableError


def stars(count: int, seed: int = 3) -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    return {
        "id": np.arange(count),
        "ra": generator.uniform(0, 360, count),
        "dec": np.degrees(np.arcsin(generator.uniform(-1, 1, count))),
        "seed": np.full(count, seed),
    }


def batches(count: int, size: int, seed: int = 3) -> list[pa.RecordBatch]:
    found: list[pa.RecordBatch] = pa.table(stars(count, seed)).to_batches(max_chunksize=size)
    return found


def test_rows_lie_in_sky_order_and_the_index_is_used(trial: Trial) -> None:
    made = stars(60_000)
    ra, dec = pa.array(made["ra"]), pa.array(made["dec"])
    nowhere = pa.array(np.arange(60_000) % 100 == 0)
    made["ra"] = pa.compute.if_else(nowhere, None, ra)
    report = trial.publish_columns("sky.stars", {**made, "dec": dec})
    assert report.rows == 60_000
    physical = trial.physical("sky.stars")
    # As they lie on the disk, of every two neighbours the second has the larger cell; those without a position follow.
    inversions, first_nowhere, last_somewhere = trial.rows(f"""
        SELECT count(*) FILTER (WHERE ipix < before), min(place) FILTER (WHERE ipix IS NULL),
               max(place) FILTER (WHERE ipix IS NOT NULL)
        FROM (SELECT ipix, place, lag(ipix) OVER (ORDER BY place) AS before
              FROM (SELECT q3c_ang2ipix(ra, dec) AS ipix, row_number() OVER (ORDER BY ctid) AS place
                    FROM {physical}) AS cells) AS neighbours
    """)[0]
    assert (inversions, first_nowhere, last_somewhere) == (0, 59_401, 59_400)
    assert trial.value(f"SELECT count(*) FROM {physical} WHERE dec IS NULL") == 600

    cone = f"SELECT id FROM {physical} WHERE q3c_radial_query(ra, dec, 120.0, 30.0, 2.0)"
    plan = "\n".join(line for [line] in trial.rows(f"EXPLAIN {cone}"))
    assert "q3c_ang2ipix_idx" in plan
    assert "Seq Scan" not in plan
    near = trial.value(f"SELECT count(*) FROM {physical} WHERE q3c_dist(ra, dec, 120.0, 30.0) < 2.0 AND ra IS NOT NULL")
    assert len(trial.rows(cone)) == near > 0
    assert trial.value("SELECT reltuples FROM pg_class WHERE oid = %s::regclass", physical) == 60_000


@pytest.mark.parametrize("position", [True, False])
def test_what_breaks_while_it_is_read_changes_nothing(trial: Trial, position: bool) -> None:
    trial.publish_columns("broken.stars", stars(100))
    before = trial.everything()
    good = batches(2000, 500)
    if not position:
        good = [batch.rename_columns(["id", "x", "y", "seed"]) for batch in good]

    def breaking() -> Iterator[pa.RecordBatch]:
        yield from good
        raise TableError("Row 2001 is nonsense.")

    for name in ("broken.stars", "broken.other", "broken_and_new.stars"):
        with pytest.raises(TableError, match="Row 2001 is nonsense"):
            trial.publish(name, breaking(), good[0].schema)
    if not position:  # it was read by the database's driver, after the schema had been made
        assert not trial.relations("broken_and_new")
    assert trial.everything() == before
    assert trial.value("SELECT count(*) FROM broken.stars") == 100


def files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Files that are broken, each in its own way, with what is said of them."""
    table = Table(stars(30_000))
    for suffix in ("fits", "vot", "parquet"):
        whole, half = folder / f"whole.{suffix}", folder / f"half.{suffix}"
        table.write(whole, **({"format": "votable"} if suffix == "vot" else {}))
        half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
        yield half, ""
    table["dec"][20_000] = 123.0
    table.write(folder / "declination.fits")
    yield folder / "declination.fits", "Row 20001 has the position"
    text = folder / "text.csv"
    text.write_text("ra,dec\n1,2\n3,4\n5\n")
    yield text, "has 1 cells where the table has 2 columns"


def test_broken_files_change_nothing(trial: Trial, tmp_path: Path) -> None:
    trial.publish_columns("broken.stars", stars(100))
    before = trial.everything()
    for path, message in files(tmp_path):
        with pytest.raises(TableError) as caught:
            trial.publish_file("broken.stars", path)
        assert message.lower() in caught.value.message.lower(), path
        assert str(tmp_path) not in caught.value.message
        assert trial.everything() == before, path


def test_a_key_that_is_not_unique_changes_nothing(trial: Trial, tmp_path: Path) -> None:
    before = trial.everything()
    twice = stars(1000)
    twice["id"] = twice["id"] // 2
    for columns in (twice, {"id": twice["id"]}):
        with pytest.raises(TableError, match=r"should be unique is not: Key \(id\)=\(\d+\) is duplicated"):
            trial.publish_columns("twice.stars", columns, primaryKey="#stars.id")
        assert trial.everything() == before
    unique = trial.publish_columns("twice.stars", stars(1000), primaryKey="#stars.id")
    assert unique.rows == 1000


def test_two_ingests_of_one_table(trial: Trial) -> None:
    refused: list[ServiceError] = []

    def meanwhile() -> Iterator[pa.RecordBatch]:
        yield from batches(100, 50)
        with pytest.raises(TableError) as caught:
            trial.publish_columns("twin.stars", stars(10))
        refused.append(caught.value)
        trial.publish_columns("twin.others", stars(10))  # another table of the same schema is no trouble

    report = trial.publish("twin.stars", meanwhile(), batches(1, 1)[0].schema)
    assert report.rows == trial.value("SELECT count(*) FROM twin.stars") == 100
    assert refused[0].message == "Another ingest of twin.stars is running."
    assert trial.publish_columns("twin.stars", stars(10)).rows == 10


def test_two_ingests_into_one_new_schema(trial: Trial) -> None:
    plain = pa.table({"n": [1, 2, 3]}).to_batches()

    def meanwhile() -> Iterator[pa.RecordBatch]:
        yield from plain
        trial.publish_columns("fresh.two", stars(10))

    trial.publish("fresh.one", meanwhile(), plain[0].schema)
    assert trial.value("SELECT count(*) FROM fresh.one") == 3
    assert trial.value("SELECT count(*) FROM fresh.two") == 10


STALLED = """
import sys, time
import pyarrow as pa
from tap.ingest.description import SchemaDescription, TableDescription
from tap.tables.models import TableName
from tap.ingest.service import IngestService
from vo.core.settings import load_settings
from vo.core.tables import TableStream, columns_of

def batches():
    for number in range(50):
        yield pa.record_batch({sys.argv[1]: [float(number)] * 20_000, "dec": [0.0] * 20_000})
    if sys.argv[2] == "read":
        print("stalled", flush=True)
        time.sleep(300)

def progress(stage, rows):
    if stage == sys.argv[2]:
        print("stalled", flush=True)
        time.sleep(300)

stream = TableStream(columns_of(pa.schema([(sys.argv[1], pa.float64()), ("dec", pa.float64())])), batches())
IngestService(load_settings()).publish(
    stream, TableName(sys.argv[3], "stars"), SchemaDescription(name=sys.argv[3]), TableDescription(name="stars"),
    progress=progress,
)
"""


@contextmanager
def stalled(trial: Trial, ra: str, stage: str, schema: str) -> Iterator[None]:
    """Run an ingest into SCHEMA.stars up to a stage, and kill it at the end of the block."""
    with subprocess.Popen(
        [sys.executable, "-c", STALLED, ra, stage, schema],
        env=environment(trial.settings.home, VO_DATABASE_URL=trial.settings.database_url),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "stalled\n"
        yield
        process.send_signal(signal.SIGKILL)
    backends = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid IN (%s, %s)"
    wait_until(lambda: trial.value(backends, LOCK_SPACE, LOCK_SPACE + 1) == 0, "PostgreSQL noticed")


@pytest.mark.parametrize(("ra", "stage"), [("ra", "read"), ("x", "read"), ("ra", "index"), ("ra", "publish")])
def test_a_killed_ingest_leaves_nothing_after_the_next_sweep(trial: Trial, ra: str, stage: str) -> None:
    trial.publish_columns("killed.stars", stars(100))
    before = trial.everything()
    with stalled(trial, ra, stage, "killed"):
        assert sweep(trial.settings) == 0  # what is being made is not touched
        with pytest.raises(TableError, match="Another ingest"):
            trial.publish_columns("killed.stars", stars(10))
    # Only a version that was whole and not yet published is there for the sweep to drop.
    assert sweep(trial.settings) == (1 if stage == "publish" else 0)
    assert trial.everything() == before
    assert {path.name for path in trial.settings.home.iterdir()} <= {"log", "scratch"}
    assert trial.publish_columns("killed.stars", stars(20)).rows == 20


def test_a_version_killed_in_a_schema_that_was_never_published_is_dropped_too(trial: Trial) -> None:
    with stalled(trial, "ra", "publish", "killed_at_birth"):
        assert len(trial.relations("killed_at_birth")) == 1
    assert sweep(trial.settings) == 1
    assert trial.relations("killed_at_birth") == []


def test_the_sweep_spares_what_is_made_read_or_not_ours(trial: Trial) -> None:
    trial.publish_columns("swept.stars", stars(50))
    trial.execute(f"CREATE TABLE swept.stars__v999999 (); COMMENT ON TABLE swept.stars__v999999 IS '{MARK}'")
    trial.execute("CREATE TABLE swept.mine__v1000000 ()")
    locking = connect(trial.settings)
    locking.autocommit = True
    with version_lock(locking, 999_999):
        assert sweep(trial.settings) == 0
    with locking.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE swept.stars__v999999 IN ACCESS SHARE MODE")
        assert sweep(trial.settings) == 0
        cursor.execute("ROLLBACK")
    locking.close()
    assert sweep(trial.settings) == 1
    names = [name for _, name in trial.relations("swept")]
    assert "mine__v1000000" in names
    assert "stars__v999999" not in names


def test_sweeps_at_the_same_time_make_a_view_once(trial: Trial) -> None:
    version = trial.publish_columns("together.stars", stars(10)).version
    with ThreadPoolExecutor(8) as threads:
        for _ in range(10):
            trial.execute("DROP VIEW together.stars")
            for swept in [threads.submit(sweep, trial.settings) for _ in range(8)]:
                swept.result()
            assert trial.relations("together") == [("v", "stars"), ("r", f"stars__v{version}")]


def test_the_view_for_psql_follows(trial: Trial) -> None:
    first = trial.publish_columns("viewed.stars", stars(10, seed=1))
    assert trial.relations("viewed") == [("v", "stars"), ("r", f"stars__v{first.version}")]
    reading = connect(trial.settings)
    with reading.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM viewed.stars")  # the transaction stays open and holds the view
        second = trial.publish_columns("viewed.stars", {"renamed": [1, 2, 3]})
        cursor.execute("SELECT max(seed) FROM viewed.stars")
        assert cursor.fetchone() == (1,)
        assert trial.physical("viewed.stars") == f"viewed.stars__v{second.version}"
    reading.close()
    sweep(trial.settings)
    assert trial.relations("viewed") == [("v", "stars"), ("r", f"stars__v{second.version}")]
    assert trial.rows("SELECT * FROM viewed.stars") == [[1], [2], [3]]


def test_a_table_of_the_operators_own_is_not_replaced_by_a_view(trial: Trial) -> None:
    trial.execute("CREATE SCHEMA own; CREATE TABLE own.stars AS SELECT 7 AS mine")
    trial.publish_columns("own.stars", stars(10))
    assert trial.rows("SELECT * FROM own.stars") == [[7]]
    assert trial.value("SELECT row_count FROM vo.published_tables WHERE table_name = 'own.stars'") == 10


def test_only_what_is_published_can_be_read_by_adql(trial: Trial) -> None:
    trial.publish_columns("readable.stars", stars(10))
    trial.execute("CREATE TABLE readable.secret AS SELECT 1 AS n")
    reading = psycopg2.connect(trial.settings.conninfo("vo_tap"))
    with reading.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {trial.physical('readable.stars')}")
        assert cursor.fetchone() == (10,)
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("SELECT * FROM readable.secret")
    reading.close()


ROWS = 300_000


@pytest.fixture
def replaced(service: Service) -> Iterator[str]:
    """Name of a table in the running service, unpublished afterwards."""
    yield "replacing.stars"
    with service.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM tap_schema.schemas WHERE schema_name = 'replacing'")
        cursor.execute("DROP SCHEMA replacing CASCADE")
        cursor.execute("SELECT vo.catalogue_changed()")
    connection.close()


def test_replacing_under_a_reader(service: Service, replaced: str, tmp_path: Path) -> None:
    for seed in (1, 2):
        Table(stars(ROWS, seed)).write(tmp_path / f"{seed}.fits")
    service.vo("ingest", str(tmp_path / "1.fits"), "--table", replaced)
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=90)) as connection:
        # Too much for the buffers on the way: most of it waits in the database until it is read here.
        query = f"SELECT id, ra AS a, dec AS b, ra AS c, dec AS d, ra AS e, dec AS f, seed FROM {replaced}"
        connection.request("GET", f"/tap/sync?{urlencode({'LANG': 'ADQL', 'FORMAT': 'csv', 'QUERY': query})}")
        long = connection.getresponse()
        assert long.status == 200
        beginning = long.read(1000)

        service.vo("ingest", str(tmp_path / "2.fits"), "--table", replaced)
        # Whoever asks now gets the new version; who was reading gets the old one to its end.
        seeds = f"SELECT DISTINCT seed FROM {replaced}"
        wait_until(lambda: adql(service, seeds, FORMAT="csv").csv() == [["2"]], "queries see it")
        assert versions(service) == 2
        rows = (beginning + long.read()).splitlines()[1:]
    assert len(rows) == ROWS
    assert {row.rpartition(b",")[2] for row in rows} == {b"1"}
    assert len({row.partition(b",")[0] for row in rows}) == ROWS
    wait_until(lambda: versions(service) == 1, "the old version is dropped")


def versions(service: Service) -> int:
    """Return how many versions of the table there are after a sweep."""
    sweep(service.settings)
    with service.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_class WHERE relnamespace = 'replacing'::regnamespace AND relkind = 'r'")
        found = cursor.rowcount
    connection.close()
    return found


def test_new_columns_are_seen_by_the_running_service(service: Service, replaced: str, tmp_path: Path) -> None:
    for number, text in enumerate(("ra,dec,earlier\n1,2,3\n", "ra,dec,later\n1,2,4\n")):
        path = tmp_path / f"{number}.csv"
        path.write_text(text)
        service.vo("ingest", str(path), "--table", replaced)
    wait_until(lambda: adql(service, f"SELECT later FROM {replaced}").status == 200, "the service knows the new column")
    wait_until(lambda: adql(service, f"SELECT earlier FROM {replaced}").status == 400, "and forgot the old one")
    assert adql(service, f"SELECT later FROM {replaced}", FORMAT="csv").csv() == [["4"]]
