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
SLOW = "SELECT COUNT(*) AS n FROM {0} AS a, {0} AS b, {0} AS c WHERE a.id < b.id - c.id".format("TAP_UPLOAD.mine")
"""Runs until it is stopped."""


def test_bytes(own: JobService) -> None:
    half = b"x" * (MAX_BYTES // 2 + 1)
    answer = send(own, ALL, {"t": half, "u": half})
    assert_error(answer, 413, "With the part 'u' the files of the request are larger", f"{MAX_BYTES} bytes")
    refused(send(own, ALL, {"t": half, "u": half}, "/tap/async"), 413, f"{MAX_BYTES} bytes")


@pytest.mark.parametrize("rows", [MAX_ROWS, MAX_ROWS + 1])
def test_rows(own: JobService, rows: int) -> None:
    answer = send(own, ALL, {"t": parquet(a=np.zeros(rows, bool))}, FORMAT="votable/td")
    if rows == MAX_ROWS:
        assert answer.status == 200, answer.text
        assert answer.rows() == [[str(rows)]]
    else:
        assert_error(answer, 400, "Upload t: ", f"{MAX_ROWS} rows")


@pytest.mark.parametrize("columns", [MAX_COLUMNS, MAX_COLUMNS + 1])
def test_columns(own: JobService, columns: int) -> None:
    answer = send(own, ALL, {"t": parquet(**{f"c{number}": [1] for number in range(columns)})}, FORMAT="votable/td")
    if columns == MAX_COLUMNS:
        assert answer.status == 200, answer.text
        assert answer.rows() == [["1"]]
    else:
        assert_error(answer, 400, "Upload t: ", str(MAX_COLUMNS), "columns")


@pytest.mark.parametrize(
    ("columns", "status", "words"),
    [(12, 400, "The file unpacks to more than"), (7, 403, "Your uploaded tables take")],
    ids=["unpacked", "with what the database adds"],
)
def test_space(own: JobService, columns: int, status: int, words: str) -> None:
    """A file may be small and its table large: zeros pack well."""
    answer = send(own, ALL, {"t": parquet(**{f"c{number}": np.zeros(MAX_ROWS) for number in range(columns)})})
    assert_error(answer, status, "Upload t: ", words)
    assert left(own) == []


def test_too_many_tables(own: JobService) -> None:
    answer = send(own, ALL, {f"t{number}.csv": b"a\n1\n" for number in range(21)})
    assert_error(answer, 400, "UPLOAD: names 21 tables, the limit is 20")


def test_a_job_that_takes_too_long(own: JobService) -> None:
    created = send(own, SLOW, {"mine": parquet(id=np.arange(3000))}, "/tap/async")
    job_id = created.headers["Location"].rpartition("/")[2]
    assert own.post(f"/tap/async/{job_id}/executionduration", {"EXECUTIONDURATION": "1"}).status == 303
    assert own.post(f"/tap/async/{job_id}/phase", {"PHASE": "RUN"}).status == 303
    own.until(job_id, "ABORTED", "ERROR", "COMPLETED")
    assert own.phase(job_id) == "ABORTED"
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
            assert_error(send(own, query, {"other.csv": b"id\n1\n"}), 400, "There is no table")
        tables = adql(own, "SELECT table_name FROM tap_schema.tables", FORMAT="csv").csv()
        assert not [name for [name] in tables if "upload" in name]
        assert send(own, "SELECT id FROM TAP_UPLOAD.mine", {"mine.csv": b"id\n7\n"}, FORMAT="csv").csv() == [["7"]]
    finally:
        own.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE query LIKE '%%vo_upload%%' AND state = 'active' AND pid <> pg_backend_pid()"
        )
        thread.join()
    assert_error(answers[0], 503)
    assert left(own) == []
