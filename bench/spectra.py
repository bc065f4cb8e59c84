"""A large job on BP/RP spectra: throughput, memory, progress, and going on after an abort at half."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator
from importlib.resources import as_file, files

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bench.crossmatch import physical
from bench.jobs import Client
from bench.memory import Growth
from bench.report import Figure
from bench.server import Bench
from gaia.xp.spectra import Band
from tap.ingest.description import read_description
from tap.ingest.service import IngestService
from tap.tables.models import TableName
from tests.gaia.xp.conftest import archive_product, perturbed, spectra_of
from vo.core.tables import Column, Datatype, TableMetadata, TableStream, schema_of

SPECTRA = 100_000
FEW = 20_000
AT_ONCE = 2_000
MIB = 2**20
MOST_GROWTH = 64.0
NAME = TableName("gaia_dr3", "xp_continuous_mean_spectrum")
ARRAYS = {
    "coefficients": Datatype.DOUBLE,
    "coefficient_errors": Datatype.FLOAT,
    "coefficient_correlations": Datatype.FLOAT,
}
COLUMNS = (
    Column("source_id", Datatype.LONG),
    *(
        column
        for band in ("bp", "rp")
        for column in (
            *(Column(f"{band}_{name}", datatype, arraysize="*") for name, datatype in ARRAYS.items()),
            Column(f"{band}_standard_deviation", Datatype.FLOAT),
        )
    ),
)


def measure(bench: Bench) -> Iterator[Figure]:
    """Measure all of it."""
    publish(bench, SPECTRA)
    client = Client(bench)
    names = ", ".join(column.name for column in COLUMNS)
    _run(client, MAXREC="100")  # the worker is warm from here on
    before = bench.memory()
    growths, rates = [], []
    for count in (FEW, SPECTRA):
        growth = Growth(bench, before)
        with growth:
            seconds, told = _run(client, QUERY=f"SELECT TOP {count} * FROM {NAME}")
        growths.append(growth.bytes / MIB)
        rates.append(count / seconds)
    copied = SPECTRA / bench.psql(f"COPY (SELECT {names} FROM {physical(bench, str(NAME))}) TO STDOUT (FORMAT binary)")
    yield Figure(f"{SPECTRA:,} spectra calibrated as one job; limit: psql COPY", rates[-1], "spectra/s", copied)
    more = growths[1] - growths[0]
    what = f"memory of all processes beyond that for {FEW:,}"
    yield Figure(what, more, "MiB", target=f"≤ {MOST_GROWTH:g} MiB", good=more <= MOST_GROWTH)
    yield Figure("the same, beyond the idle service", growths[1], "MiB")
    steps = len(set(told))
    yield Figure(
        "progress: different fractions told",
        steps,
        "",
        target="≥ 10, rising",
        good=steps >= 10 and told == sorted(told),
    )
    yield from _interrupted(client)


def publish(bench: Bench, count: int) -> None:
    """Publish replicas of a real spectrum, perturbed within their covariances."""
    with as_file(files("gaia.catalogues").joinpath("gaia_dr3_xp.yaml")) as path:
        schema = read_description(path)
    stream = TableStream(COLUMNS, _batches(count), TableMetadata(rows=count))
    described = schema.table(NAME.table)
    kept = [column for column in described.columns if column.name in {each.name for each in COLUMNS}]
    IngestService(bench.settings).publish(stream, NAME, schema, described.model_copy(update={"columns": kept}))


def _batches(count: int) -> Iterator[pa.RecordBatch]:
    original = spectra_of(archive_product("XP_CONTINUOUS"))
    for number, first in enumerate(range(0, count, AT_ONCE)):
        some = perturbed(original, min(AT_ONCE, count - first), seed=number)
        arrays = [pa.array(some.source_id + first), *_cells(some.bp), *_cells(some.rp)]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema_of(COLUMNS))


def _cells(band: Band) -> Iterator[pa.Array]:
    for values, kind in ((band.coefficients, np.float64), (band.errors, np.float32), (band.correlations, np.float32)):
        yield _lists(values.astype(kind))
    yield pa.array(band.standard_deviation.astype(np.float32))


def _lists(values: NDArray[np.floating]) -> pa.Array:
    offsets = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.ravel()))


def _submit(client: Client, **parameters: str) -> str:
    return client.ask("/tasks/xp-calibrate/async", {"PHASE": "RUN", **parameters})[1]


def _run(client: Client, **parameters: str) -> tuple[float, list[float]]:
    """Return how long a job takes, and the fractions that it tells."""
    parameters.setdefault("MAXREC", str(10 * SPECTRA))
    if "QUERY" not in parameters:
        parameters["TABLE"] = str(NAME)
    started = time.perf_counter()
    job = _submit(client, **parameters)
    told = _follow(client, job)
    return time.perf_counter() - started, told


def _follow(client: Client, job: str, until: float = 2.0) -> list[float]:
    """Follow a job until it has ended, or has come so far; return the fractions that it tells."""
    told: list[float] = []
    while True:
        document = client.ask(job)[0].decode()
        phase = re.findall(r"phase>(\w+)<", document)[0]
        told += [float(found) for found in re.findall(r"fraction[^>]*>([0-9.eE+-]+)<", document)]
        if phase not in ("PENDING", "QUEUED", "EXECUTING") or (told and told[-1] >= until):
            break
        time.sleep(0.05)
    if phase not in ("COMPLETED", "EXECUTING"):
        raise RuntimeError(document)
    return told


def _interrupted(client: Client) -> Iterator[Figure]:
    """Abort the job at half, and go on in another one."""
    job = _submit(client, TABLE=str(NAME), MAXREC=str(10 * SPECTRA), RESPONSEFORMAT="parquet")
    reached = _follow(client, job, until=0.5)[-1]
    started = time.perf_counter()
    client.ask(f"{job}/phase", {"PHASE": "ABORT"})
    while b"ABORTED" not in client.ask(f"{job}/phase")[0]:
        time.sleep(0.01)
    taken = time.perf_counter() - started
    yield Figure(f"aborting it at {reached:.0%}", taken, "s", target="≤ 1 s", good=taken <= 1)
    started = time.perf_counter()
    again = _submit(client, CONTINUE=job.rpartition("/")[2])
    _follow(client, again)
    taken = time.perf_counter() - started
    made = pq.read_table(io.BytesIO(client.ask(f"{again}/results/result")[0]), columns=["source_id"])
    sources = np.sort(made["source_id"].to_numpy())
    whole = np.array_equal(sources, np.arange(1, SPECTRA + 1))
    yield Figure("going on to the end in a new job", taken, "s", target="each source once", good=bool(whole))
