"""Cross-match as a job, from the request to the saved result, against STILTS and psql with plain ``q3c_join``."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pyarrow as pa
import pyarrow.compute as pc

from bench.jobs import Client
from bench.report import Figure
from bench.server import Bench
from tap.ingest.service import IngestService
from tap.tables.models import TableName
from vo.core.tables.readers import open_table
from vo.demo.catalogues import GAIA, demo_description
from vo.demo.resample import resample

ROWS = 1_000_000
"""Of the first table, where STILTS and psql do the same."""
COLUMNS = "source_id, ra, dec, phot_g_mean_mag"
RADIUS = 1.0
"""In arcsec."""
TURNS = 3
GROWN = (100_000, 1_000_000, 10_000_000)
LARGE = (10_000_000, 50_000_000)
"""Rows of both sides of the match that memory must not limit."""
MIB = 2**20


def measure(bench: Bench, rows: int, *, large: bool) -> Iterator[Figure]:
    """Measure a match of a million rows with all of demo.big, then the growth with the first table.

    The large match is measured by itself: STILTS would need more memory than the machine may have.
    """
    if large:
        yield from _large(bench, rows)
        return
    publish(bench, ROWS)
    yield from _against_others(bench, Path(bench.settings.home), rows)
    yield from _growth(bench, rows)


def _against_others(bench: Bench, folder: Path, rows: int) -> Iterator[Figure]:
    """Measure one match three ways; the best of each, for whatever else the machine does falls on one by chance."""
    client = Client(bench)
    first, second = folder / "first.fits", folder / "second.fits"
    export(bench, f"SELECT {COLUMNS} FROM {name_of(ROWS)} ORDER BY random_index", first)
    export(bench, f"SELECT {COLUMNS} FROM demo.big", second)
    _unsorted(bench)
    ours, stilts, plain = [], [], []
    for _ in range(TURNS):
        seconds, found = ours_takes(bench, client, ROWS, folder / "ours.fits")
        ours.append(seconds)
        stilts.append(stilts_takes(first, second, folder / "stilts.fits", found))
        plain.append(_plain(bench))
    what = f"best match of {ROWS:,} × {rows:,} rows, result saved; limit:"
    yield Figure(f"{what} STILTS tskymatch2", min(ours), "s", min(stilts), "ratio ≤ 1/3", min(ours) <= min(stilts) / 3)
    yield Figure(
        f"{what} psql, q3c_join, first table unsorted",
        min(ours),
        "s",
        min(plain),
        "ratio ≤ 1/2",
        min(ours) <= min(plain) / 2,
    )
    for file in (first, second):
        file.unlink()


def _growth(bench: Bench, rows: int) -> Iterator[Figure]:
    """Measure the time for each row of the first table when it grows and the second stays."""
    client = Client(bench)
    publish(bench, 1000)
    reading = min(ours_takes(bench, client, 1000, None, ENGINE="stream")[0] for _ in range(TURNS))
    yield Figure(f"1,000 × {rows:,} rows, streamed: reading the second table", reading, "s")
    for_each: dict[int, float] = {}
    for count in GROWN:
        publish(bench, count)
        seconds = min(ours_takes(bench, client, count, None, ENGINE="stream")[0] for _ in range(TURNS))
        for_each[count] = (seconds - reading) / count * 1e6
        limit = for_each[GROWN[0]]
        yield Figure(
            f"{count:,} × {rows:,} rows, for a row of the first table ({seconds:.1f} s in all)",
            for_each[count],
            "µs",
            limit,
            "ratio ≤ 1.1",
            for_each[count] <= 1.1 * limit,
        )


def _large(bench: Bench, rows: int) -> Iterator[Figure]:
    first, second = LARGE
    if rows < second:
        raise SystemExit(f"--large needs --rows {second}")
    publish(bench, first)
    client = Client(bench)
    seconds, found = ours_takes(bench, client, first, None, MAXREC=str(first))
    what = f"{first:,} × {rows:,} rows, {found:,} matched, within {bench.settings.task_memory / MIB:,.0f} MiB"
    yield Figure(what, seconds, "s")


def ours_takes(bench: Bench, client: Client, count: int, path: Path | None, **parameters: str) -> tuple[float, int]:
    """Match as a job and save its result; return the seconds and the number of rows."""
    wanted = {
        "TABLE_1": name_of(count),
        "TABLE_2": "demo.big",
        "RADIUS": f"{RADIUS:g}",
        "MODE": "best",
        "COLUMNS_1": COLUMNS.replace(" ", ""),
        "COLUMNS_2": COLUMNS.replace(" ", ""),
        "RESPONSEFORMAT": "fits",
        "MAXREC": str(count),
        "PHASE": "RUN",
        **parameters,
    }
    started = time.perf_counter()
    job = client.ask("/tasks/crossmatch/async", wanted)[1]
    client.finish(job)
    if path is not None:
        save(f"{bench.settings.public_url}{job}/results/result", path)
    seconds = time.perf_counter() - started
    document = client.ask(job)[0].decode()
    return seconds, int(re.findall(r"found>(\d+)<", document)[0])


def stilts_takes(first: Path, second: Path, path: Path, expected: int) -> float:
    """Let STILTS do the same; make sure that it finds as many."""
    command = ["stilts", "-Xmx12g", "tskymatch2", f"in1={first}", f"in2={second}", f"error={RADIUS:g}", f"out={path}"]
    command += ["ra1=ra", "dec1=dec", "ra2=ra", "dec2=dec", "find=best1", "join=1and2"]
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - started
    found = open_table(path).metadata.rows
    if found != expected:
        raise RuntimeError(f"STILTS matched {found} rows and we {expected}: {done.stderr[-300:]}")
    return seconds


def _unsorted(bench: Bench) -> None:
    """Make the first table as somebody has it who only loads a file: its rows in no order, analyzed."""
    bench.psql(
        "CREATE UNLOGGED TABLE public.bench_first AS "
        f"SELECT {COLUMNS} FROM {physical(bench, name_of(ROWS))} ORDER BY random_index"
    )
    bench.psql("ANALYZE public.bench_first")


def _plain(bench: Bench) -> float:
    """Return the seconds of the best match in SQL."""
    query = (
        "SELECT DISTINCT ON (a.source_id) a.*, b.source_id, b.ra, b.dec, b.phot_g_mean_mag, "
        "public.q3c_dist(a.ra, a.dec, b.ra, b.dec) AS separation "
        f"FROM public.bench_first AS a, {physical(bench, 'demo.big')} AS b "
        f"WHERE public.q3c_join(a.ra, a.dec, b.ra, b.dec, {RADIUS} / 3600) ORDER BY a.source_id, separation"
    )
    return bench.psql(f"SET max_parallel_workers_per_gather = 0; COPY ({query}) TO STDOUT (FORMAT binary)")


def name_of(count: int) -> str:
    """Return the name under which a first table of so many rows is published."""
    return f"demo.first_{count}"


def publish(bench: Bench, count: int) -> None:
    """Publish so many other synthetic stars, half of them beside one of demo.big."""
    stars = open_table(GAIA.path(), layout=demo_description(GAIA.description).table(GAIA.name.table).layout)
    drawn_from = pa.Table.from_batches(stars.batches)
    made = resample(drawn_from, count)
    made.batches = (_moved(batch) for batch in made.batches)
    schema = demo_description("big.yaml")
    description = schema.table("big").model_copy(update={"name": f"first_{count}"})
    IngestService(bench.settings).publish(made, TableName("demo", f"first_{count}"), schema, description)


def _moved(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Move stars by 0.3 arcsec: the same seed has made the same stars in demo.big."""
    place = batch.schema.get_field_index("dec")
    dec = batch.column(place)
    return batch.set_column(place, batch.schema.field(place), pc.subtract(dec, pc.multiply(pc.sign(dec), 0.3 / 3600)))


def physical(bench: Bench, name: str) -> str:
    """Return the table in the database behind a published name."""
    command = [bench.program("psql"), bench.settings.conninfo(), "-XAtc"]
    where = "SELECT format('%I.%I', physical_schema, physical_name) FROM vo.published_tables WHERE table_name = "
    return subprocess.run([*command, f"{where}'{name}'"], capture_output=True, text=True, check=True).stdout.strip()


def export(bench: Bench, query: str, path: Path) -> None:
    """Save a query's result as FITS."""
    values = {"LANG": "ADQL", "QUERY": query, "FORMAT": "fits", "MAXREC": str(10**8)}
    save(f"{bench.tap}/sync", path, urlencode(values).encode())


def save(url: str, path: Path, body: bytes | None = None) -> None:
    """Save what a URL answers."""
    with urllib.request.urlopen(url, body) as answer, path.open("wb") as file:
        shutil.copyfileobj(answer, file, MIB)
