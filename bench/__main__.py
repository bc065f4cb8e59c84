"""``python -m bench``: run the measurements and print them."""

from __future__ import annotations

import argparse
import sys

from bench import (
    bulk,
    cones,
    crossmatch,
    formats,
    ingest,
    jobs,
    joins,
    reading,
    spectra,
    tasks,
    transits,
    translation,
    uploads,
    xp,
)
from bench.report import Figure, show
from bench.server import running

SECTIONS = (
    "ingest",
    "bulk",
    "cones",
    "joins",
    "jobs",
    "translation",
    "reading",
    "formats",
    "uploads",
    "tasks",
    "crossmatch",
    "spectra",
    "xp",
    "transits",
)

ALONE = {"xp": xp, "transits": transits}
"""Kernels, measured in this process."""

DEFAULT_ROWS = 5_000_000


def main() -> int:
    """Measure and show; the exit status says whether every target was met."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measure the service against PostgreSQL itself.")
    parser.add_argument("sections", nargs="*", default=SECTIONS, help=f"any of {', '.join(SECTIONS)}; default: all")
    parser.add_argument("--rows", type=int, help=f"rows of demo.big; default: {DEFAULT_ROWS:,}")
    parser.add_argument("--runs", type=int, default=7, help="runs of each bulk download")
    parser.add_argument(
        "--upload-rows", type=int, default=uploads.MANY, help="rows of the largest upload, at most those of demo.big"
    )
    parser.add_argument(
        "--large",
        action="store_true",
        help="crossmatch: also 10,000,000 rows with all of demo.big, 50,000,000 unless --rows",
    )
    arguments = parser.parse_args()
    if arguments.rows is None:
        arguments.rows = crossmatch.LARGE[1] if arguments.large else DEFAULT_ROWS
    unknown = set(arguments.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no section {', '.join(unknown)}")
    figures: list[Figure] = []
    if "reading" in arguments.sections:
        figures += reading.measure(min(arguments.rows, reading.MOST_ROWS))
    for name, section in ALONE.items():
        if name in arguments.sections:
            figures += section.measure()
    if set(arguments.sections) <= {"reading", *ALONE}:  # they need no service
        return 0 if show(figures) else 1
    with running() as bench:
        bench.vo("demo", "--rows", str(arguments.rows))
        if "bulk" in arguments.sections:
            figures += bulk.measure(bench, arguments.rows, arguments.runs)
        if "cones" in arguments.sections:
            figures += cones.measure(bench)
        if "joins" in arguments.sections:
            figures += joins.measure(bench)
        if "translation" in arguments.sections:
            figures += translation.measure(bench)
        if "jobs" in arguments.sections:
            figures += jobs.measure(bench)
        if "formats" in arguments.sections:
            figures += formats.measure(bench, arguments.rows, arguments.runs)
        if "uploads" in arguments.sections:
            figures += uploads.measure(bench, arguments.rows, arguments.upload_rows)
        if "tasks" in arguments.sections:
            figures += tasks.measure(bench)
        if "spectra" in arguments.sections:
            figures += spectra.measure(bench)
        if "crossmatch" in arguments.sections:
            figures += crossmatch.measure(bench, arguments.rows, large=arguments.large)
        if "ingest" in arguments.sections:
            figures += ingest.measure(bench, arguments.rows)
    return 0 if show(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
