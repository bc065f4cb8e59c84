"""Limits of uploads, each with words that say which, and tables of others, which nobody sees."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from tests.tap.asking import adql, assert_error, eventually
from tests.tap.upload.conftest import MAX_BYTES, MAX_COLUMNS, MAX_ROWS, left
from tests.tap.upload.sending import parquet, send
from tests.uws.asking import refused
from tests.uws.processes import JobService

ALL = "SELECT COUNT(*) AS n FROM TAP_UPLOAD.t"
SLOW = "SELECT COUNT(*) AS n FROM TAP_UPLOAD.mine AS a, TAP_UPLOAD.mine AS b, TAP_UPLOAD.mine AS c WHERE a.id < b.id - c.id"
"""Runs until it is stopped."""


def test_bytes(own: JobService) -> None:
    half = b"x" * (MAX_BYTES // 2 + 1)
    answer = send(own, ALL, {"t": half, "u": half})
    assert_error(answer, 413, "With the part 'u' the files of the request are larger", f"{MAX_BYTES} bytes")
    refused(send(own, ALL, {"t": half, "u": half}, "/tap/async"), 413, f"{MAX_BYTES} bytes")


@pytest.mark.parametrize("rows", [MAX_ROWS, MAX_ROWS + 1])
def test_rows(own: JobService, rows: int) -> None:
    answer = send(own, ALL, {"t": parquet(a=np.zeros(rows, bool))}, FORMAT="csv")
    if rows == MAX_ROWS:
        assert answer.csv() == [[str(rows)]]
    else:
        assert_error(answer, 400, "Upload t: ", f"{MAX_ROWS:,} rows")


@pytest.mark.parametrize("columns", [MAX_COLUMNS, MAX_COLUMNS + 1])
def test_columns(own: JobService, columns: int) -> None:
    answer = send(own, ALL, {"t": parquet(**{f"c{number}": [1] for number in range(columns)})}, FORMAT="csv")
    if columns == MAX_COLUMNS:
        assert answer.csv() == [["1"]]
    else:
        assert_error(answer, 400, "Upload t: ", str(MAX_COLUMNS), "columns")


def test_space_in_the_database(own: JobService) -> None:
    """A file may be small and its table large: nulls and zeros pack well."""
    answer = send(own, ALL, {"t": parquet(**{f"c{number}": np.zeros(MAX_ROWS) for number in range(12)})})
    assert_error(answer, 403, "Upload t: Your uploaded tables take", "one caller may have 64 MiB at the same time")
    assert left(own) == []


def test_too_many_tables(own: JobService) -> None:
    answer = send(own, ALL, {f"t{number}": b"a\n1\n" for number in range(21)})
    assert_error(answer, 400, "UPLOAD: names 21 tables, the limit is 20")


def test_time_is_one_for_loading_and_query(own: JobService) -> None:
    job = send(own, SLOW, {"mine": parquet(id=np.arange(3000))}, "/tap/async", PHASE="RUN", EXECUTIONDURATION="2")
    job_id = job.headers["Location"].rpartition("/")[2]
    own.until(job_id, "ERROR", "ABORTED", "COMPLETED")
    assert own.phase(job_id) != "COMPLETED"
    eventually(lambda: left(own) == [])


def test_tables_of_others(own: JobService) -> None:
    """While the table of somebody is there, nobody else has it by any name."""
    answers = []
    table = parquet(id=np.arange(4000))
    thread = threading.Thread(target=lambda: answers.append(send(own, SLOW, {"mine": table}, MAXREC="1")))
    thread.start()
    try:
        held = "SELECT table_id FROM vo.caller_tables"
        [(number,)] = eventually(lambda: own.fetch(held + " WHERE row_count = 4000"))
        for query in (
            "SELECT COUNT(*) AS n FROM TAP_UPLOAD.mine",
            f"SELECT COUNT(*) AS n FROM vo_upload.t{number}",
            f"SELECT COUNT(*) AS n FROM TAP_UPLOAD.t{number}",
            "SELECT COUNT(*) AS n FROM vo.caller_tables",
        ):
            assert_error(adql(own, query), 400, "There is no table")
            assert_error(send(own, query, {"other": b"id\n1\n"}), 400, "There is no table")
        tables = adql(own, "SELECT table_name FROM tap_schema.tables", FORMAT="csv").csv()
        assert not [name for [name] in tables if "upload" in name]
        assert send(own, "SELECT id FROM TAP_UPLOAD.mine", {"mine": b"id\n7\n"}, FORMAT="csv").csv() == [["7"]]
    finally:
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%%vo_upload%%' AND state = 'active'"
        eventually(
            lambda: own.fetch(query + " AND pid <> pg_backend_pid()") and (thread.join(1) or not thread.is_alive())
        )
    assert_error(answers[0], 503)
    assert left(own) == []
