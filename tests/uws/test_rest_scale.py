"""Tens of thousands of jobs in one list: every statement of a client finds what it wants by an index."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from tests.uws.database import LIMITS, Database
from uws.models import JobFilter, Phase

JOBS = 20_000
ACCOUNT = "address:192.0.2.1"


@pytest.fixture
def full(database: Database) -> Database:
    """Finished jobs of one account, of which ten failed, and few of many other accounts."""
    database.run(
        """
        INSERT INTO uws.jobs (job_id, service, account, phase, created, execution_duration, destruction, parameters)
        SELECT md5(number::text), 'tap', CASE number % 10 WHEN 0 THEN 'user:' || number ELSE :account END,
               CASE number % 2000 WHEN 1 THEN 'ERROR' ELSE 'COMPLETED' END,
               clock_timestamp() - make_interval(secs => number), 60, clock_timestamp() + interval '1 day',
               jsonb_build_array(jsonb_build_array('QUERY', repeat('SELECT ', 40)))
        FROM generate_series(1, :jobs) AS number
        """,
        account=ACCOUNT,
        jobs=JOBS,
    )
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE uws.jobs")
    return database


@contextmanager
def statements(database: Database) -> Iterator[list[bytes]]:
    """What is sent to PostgreSQL meanwhile."""
    sent: list[bytes] = []

    def keep(_connection: object, cursor: Any, statement: str, parameters: Any, *_: object) -> None:
        sent.append(cursor.mogrify(statement, parameters))

    event.listen(database.engine, "before_cursor_execute", keep)
    try:
        yield sent
    finally:
        event.remove(database.engine, "before_cursor_execute", keep)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def read_rows(database: Database, statement: bytes) -> int:
    """How many rows of the table of jobs a statement reads at most in one place of its plan; it is rolled back.

    Those that an index finds and a filter throws away count too.
    """
    with database.engine.connect() as connection:
        cursor = connection.connection.cursor()
        cursor.execute(b"EXPLAIN (ANALYZE, FORMAT JSON) " + statement)
        [[found]] = cursor.fetchall()
    [plan] = found if isinstance(found, list) else json.loads(found)
    used = [node for node in nodes(plan["Plan"]) if node.get("Relation Name") == "jobs"]
    return max(
        (
            node.get("Actual Loops", 1) * (node.get("Actual Rows", 0) + node.get("Rows Removed by Filter", 0))
            for node in used
        ),
        default=0,
    )


def references(wanted: JobFilter, limit: int = 100) -> Callable[[Database], object]:
    return lambda database: database.store.references("tap", ACCOUNT, wanted, limit=limit)


JOB = "c4ca4238a0b923820dcc509a6f75849b"
"""The newest."""
CASES: dict[str, tuple[Callable[[Database], object], int]] = {
    "list": (references(JobFilter(), 1000), 1200),
    "last": (references(JobFilter(last=10), 10), 11),
    "after": (references(JobFilter(after=datetime.now(UTC) - timedelta(seconds=50))), 200),
    "phase": (references(JobFilter(frozenset({Phase.COMPLETED})), 10), 20),
    "a rare phase": (references(JobFilter(frozenset({Phase.ERROR})), 10), 20),
    "no such phase": (references(JobFilter(frozenset({Phase.ABORTED, Phase.HELD})), 10), 10),
    "the operator's list": (lambda database: database.store.references("tap", None, JobFilter(), limit=10), 11),
    "read": (lambda database: database.store.read("tap", JOB), 1),
    "phases": (lambda database: database.store.phases([JOB, "x"]), 2),
    "exists": (lambda database: database.store.exists(JOB), 1),
    "abort": (lambda database: database.store.abort(JOB), 1),
    "parameters": (lambda database: database.store.add_parameters(JOB, [("A", "b")], None), 1),
    "create": (lambda database: database.new(account=ACCOUNT, limits=LIMITS), 2),
    "delete": (lambda database: (database.store.mark_deleted(JOB), database.store.forget(JOB)), 1),
}


def test_a_client_s_statements_read_no_more_than_they_need(full: Database) -> None:
    too_many = {}
    for case, (call, most) in CASES.items():
        with statements(full) as sent:
            call(full)
        asked = [statement for statement in sent if b"uws.jobs" in statement and b"INSERT" not in statement]
        assert asked, case
        read = max(read_rows(full, statement) for statement in asked)
        if read > most:
            too_many[case] = read
    assert too_many == {}
