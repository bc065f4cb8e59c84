"""Reading table files against astropy's VOTable reader, and rows a second of every format."""

from __future__ import annotations

import gzip
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from astropy.io.votable import from_table, parse_single_table
from astropy.table import Table

from bench.report import Figure
from vo.core.tables.readers import open_table

MOST_ROWS = 1_000_000
"""Astropy needs half a minute for them."""

ROUNDS = 3
_TARGETS = {"binary2": 30.0, "tabledata": 5.0}
_OTHERS = ("binary", "tabledata.gz", "fits", "parquet", "arrow", "csv", "ecsv")


def measure(rows: int) -> Iterator[Figure]:
    """Read `rows` rows of 10 columns in every format; the best of some rounds counts, for us and for astropy."""
    with tempfile.TemporaryDirectory() as folder:
        table = stars(rows)
        paths = {name: write(Path(folder), name, table) for name in (*_TARGETS, *_OTHERS)}
        for name, target in _TARGETS.items():
            limit = best(partial(parse_single_table, paths[name]), 1)
            ours = best(partial(read, paths[name]), ROUNDS)
            check(paths[name], table)
            yield Figure(
                f"{name}: {rows:,} rows × 10 columns; limit: astropy.io.votable",
                ours,
                "s",
                limit,
                f"{limit / ours:.0f} × faster, ≥ {target:.0f} ×",
                limit / ours >= target,
            )
        for name in (*_TARGETS, *_OTHERS):
            yield Figure(f"{name}: reading", rows / best(partial(read, paths[name]), ROUNDS), "rows/s")


def stars(rows: int) -> Table:
    """Return a table of two longs, five doubles, two floats, a short and a text of varying length."""
    rng = np.random.default_rng(1)
    table = Table({"source_id": rng.integers(1, 2**62, rows), "random_index": np.arange(rows)})
    for name in ("ra", "dec", "parallax", "pmra", "pmdec"):
        table[name] = rng.normal(size=rows) * 100
    table["phot_g_mean_mag"] = rng.normal(size=rows).astype("f4")
    table["visits"] = rng.integers(0, 1000, rows).astype("i2")
    table["name"] = [f"Gaia DR3 {number}" for number in rng.integers(1, 10 ** rng.integers(1, 12, rows))]
    return table


def write(folder: Path, name: str, table: Table) -> Path:
    """Write the table in a format; not by the code that is measured."""
    path = folder / f"stars.{name}"
    arrow = pa.table({column: pa.array(np.asarray(table[column]).tolist()) for column in table.colnames})
    match name:
        case "tabledata.gz":
            path.write_bytes(gzip.compress((folder / "stars.tabledata").read_bytes(), 5))
        case "tabledata" | "binary" | "binary2":
            document = from_table(table)
            text = document.get_first_table().fields[-1]
            text.datatype, text.arraysize = "char", "*"
            document.to_xml(str(path), tabledata_format=name)
        case "fits":
            table.write(path, format="fits")
        case "parquet":
            pyarrow.parquet.write_table(arrow, path)
        case "arrow":
            with pa.ipc.new_file(path, arrow.schema) as writer:
                writer.write_table(arrow)
        case "csv":
            pyarrow.csv.write_csv(arrow, path)
        case _:
            table.write(path, format="ascii.ecsv", delimiter=",")
    return path


def read(path: Path) -> int:
    """Read a file to its end."""
    return sum(len(batch) for batch in open_table(path).batches)


def check(path: Path, table: Table) -> None:
    """Compare what was read with what was written, cell by cell."""
    found = pa.Table.from_batches(open_table(path).batches)
    for name in table.colnames:
        column = found[name]
        same = (
            column.to_pylist() == list(table[name])
            if pa.types.is_string(column.type)
            else np.array_equal(column.to_numpy(), np.asarray(table[name]))
        )
        if not same:
            raise RuntimeError(f"{path.name}: column {name} is not what was written")


def best(run: Callable[[], object], rounds: int) -> float:
    """Return the least seconds of processor time that one of some runs takes; all readers work in one thread."""
    seconds = []
    for _ in range(rounds):
        started = time.process_time()
        run()
        seconds.append(time.process_time() - started)
    return min(seconds)
