"""Arrow from PostgreSQL: limits, errors, cancelling, connections that are lost, reading ahead."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from tests.conftest import Service, wait_until
from vo.core.arrow import ArrowPool, ArrowStream, ReadAhead
from vo.core.database import ConnectionLostError, StaleCatalogueError, TimeReachedError
from vo.core.errors import LimitError, QueryError, ServiceError, UnavailableError
from vo.core.settings import TAP_ROLE

# A set in the select list streams; in FROM PostgreSQL would write the whole set down first.
ENDLESS = (
    "SELECT a AS number, repeat('x', 100) AS filling FROM generate_series(1, 99999) AS a, generate_series(1, 99999)"
)
THINKING = "SELECT count(*) AS n FROM generate_series(1, 99999) AS a, generate_series(1, 99999)"
"""A query that is long in giving its first row."""


@pytest.fixture
def pool(service: Service) -> Iterator[ArrowPool]:
    """One connection as superuser, so that the tests can see which backend they use."""
    made = ArrowPool(service.settings.conninfo("postgres"), size=1, wait=0.3, statement_time=60)
    yield made
    made.close()


def one(pool: ArrowPool, query: str) -> object:
    """Run a query and return its one value, reading to the end so that the connection is kept."""
    with pool.stream() as stream:
        stream.start(query, "vo:test")
        batch = stream.next_batch()
        assert batch is not None
        assert stream.next_batch() is None
        return batch.column(0)[0].as_py()


def backend(pool: ArrowPool) -> object:
    """Return the process id of the backend behind the pool's connection."""
    return one(pool, "SELECT pg_backend_pid() AS pid")


def drain(batches: ArrowStream | ReadAhead) -> None:
    """Read to the end."""
    while batches.next_batch() is not None:
        pass


def run(stream: ArrowStream, query: str) -> None:
    """Send a query and read its result to the end."""
    stream.start(query, "vo:test")
    drain(stream)


def refusal(pool: ArrowPool, query: str) -> ServiceError:
    """Return the error that a query ends in."""
    with pool.stream() as stream, pytest.raises(ServiceError) as refused:
        run(stream, query)
    assert "SELECT" not in str(refused.value)
    return refused.value


def test_a_connection_is_kept_for_the_next_query(pool: ArrowPool) -> None:
    assert backend(pool) == backend(pool)
    assert pool.busy == 0


def test_its_backend_carries_the_label(pool: ArrowPool) -> None:
    assert one(pool, "SELECT current_setting('application_name') AS name") == "vo:test"


@pytest.mark.parametrize(
    ("query", "kind", "said"),
    [
        ("SELECT 1 / 0 AS a", QueryError, "division by zero"),
        ("SELECT 1 / g AS a FROM generate_series(0, 1) AS g", QueryError, "division by zero"),
        ("SELECT 1 / (g - 500000) AS a FROM generate_series(1, 1000000) AS g", QueryError, "division by zero"),
        ("SELECT 'x'::text::integer AS a", QueryError, "invalid input syntax for type integer"),
        ("SELECT a FROM gone__v1", StaleCatalogueError, "just replaced by a newer version"),
        ("SELECT repeat('xx', 600000000) AS a", LimitError, "larger than the gigabyte"),
        ("SELEC 1", ServiceError, "does not take the query as the service wrote it"),
    ],
)
def test_errors_are_translated_without_the_statement_and_leave_the_pool_fit(
    pool: ArrowPool, query: str, kind: type[ServiceError], said: str
) -> None:
    error = refusal(pool, query)
    assert type(error) is kind
    assert said in error.message
    assert "\n" not in error.message
    assert "gone__v1" not in str(error)
    assert one(pool, "SELECT 1 AS a") == 1


def test_statement_time(service: Service) -> None:
    with closing(ArrowPool(service.settings.conninfo(TAP_ROLE), size=1, wait=1, statement_time=1)) as hasty:
        error = refusal(hasty, THINKING)
        assert type(error) is TimeReachedError
        assert "longer than it may" in error.message
        assert one(hasty, "SELECT 1 AS a") == 1


def test_temporary_files(service: Service) -> None:
    conninfo = service.settings.conninfo("postgres") + "&options=-ctemp_file_limit%3D1024%20-cwork_mem%3D64"
    with closing(ArrowPool(conninfo, size=1, wait=1, statement_time=60)) as narrow:
        error = refusal(narrow, "SELECT g AS a FROM generate_series(1, 1000000) AS g ORDER BY -g")
        assert type(error) is LimitError
        assert "temporary disk space" in error.message
        assert one(narrow, "SELECT 1 AS a") == 1


def test_all_connections_taken(pool: ArrowPool) -> None:
    with pool.stream(), pytest.raises(UnavailableError, match=r"All 1 connections .* busy for 0.3 s. Try again"):
        pool.stream()
    assert one(pool, "SELECT 1 AS a") == 1


@pytest.mark.parametrize("query", [ENDLESS, THINKING], ids=["streaming", "thinking"])
def test_cancelled_by_another_thread(pool: ArrowPool, query: str) -> None:
    with pool.stream() as stream:
        timer = threading.Timer(0.5, stream.cancel)
        timer.start()
        with pytest.raises(LimitError, match="The query was cancelled"):
            run(stream, query)
        timer.join()
    assert one(pool, "SELECT 1 AS a") == 1


def test_cancelled_before_it_began(pool: ArrowPool) -> None:
    with pool.stream() as stream:
        stream.cancel()
        with pytest.raises(LimitError, match="cancelled"):
            stream.start(ENDLESS, "vo:test")
    assert one(pool, "SELECT 1 AS a") == 1


@pytest.mark.parametrize("batches", [0, 1, 10])
def test_a_stream_that_is_left_ends_in_the_database(
    pool: ArrowPool, batches: int, caplog: pytest.LogCaptureFixture
) -> None:
    with pool.stream() as stream:
        stream.start(ENDLESS, "vo:left")
        for _ in range(batches):
            assert stream.next_batch() is not None
    left = "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'vo:left'"
    wait_until(lambda: one(pool, left) == 0, "the backend is gone", seconds=10)
    assert caplog.records == []


def terminate(service: Service, pid: object) -> None:
    """End a backend as an administrator, a crash or a restart does, and wait until it is gone."""
    with closing(service.connect("postgres")) as superuser, superuser.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))
        assert cursor.fetchone() == (True,)


def test_a_connection_lost_while_idle_is_told_and_replaced(pool: ArrowPool, service: Service) -> None:
    old = backend(pool)
    terminate(service, old)
    error = refusal(pool, "SELECT 1 AS a")
    assert type(error) is ConnectionLostError
    assert error.status == 503
    assert backend(pool) != old


def test_a_connection_lost_in_mid_stream_is_told_and_replaced(pool: ArrowPool, service: Service) -> None:
    old = backend(pool)
    with pool.stream() as stream:
        stream.start(ENDLESS, "vo:test")
        stream.next_batch()
        terminate(service, old)
        with pytest.raises(ConnectionLostError):
            drain(stream)
    assert backend(pool) != old


def test_no_database(service: Service) -> None:
    url = service.settings.url(TAP_ROLE).update_query_dict({"host": "/nowhere"})
    with (
        closing(ArrowPool(url.render_as_string(hide_password=False), size=1, wait=1, statement_time=1)) as nowhere,
        pytest.raises(ConnectionLostError),
    ):
        nowhere.stream()


def within(seconds: float, call: Callable[[], object]) -> None:
    """Run a call that must not hang."""
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive()


@pytest.mark.parametrize("taken", [0, 1, 5])
@pytest.mark.parametrize("pause", [0.0, 0.02, 0.3])
def test_reading_ahead_stops_at_any_moment(pool: ArrowPool, taken: int, pause: float) -> None:
    with ThreadPoolExecutor(1) as executor, pool.stream() as stream:
        stream.start(ENDLESS, "vo:test")
        ahead = ReadAhead(stream, executor)
        for _ in range(taken):
            assert ahead.next_batch() is not None
        time.sleep(pause)
        within(20, ahead.stop)
        within(20, ahead.stop)  # again is no harm
    assert one(pool, "SELECT 1 AS a") == 1


def test_reading_ahead_gives_everything_in_order_and_then_its_end(pool: ArrowPool) -> None:
    with ThreadPoolExecutor(1) as executor, pool.stream() as stream:
        stream.start("SELECT g AS number FROM generate_series(1, 1000000) AS g", "vo:test")
        ahead = ReadAhead(stream, executor)
        expected = 1
        while (batch := ahead.next_batch()) is not None:
            assert batch.column(0)[0].as_py() == expected
            expected += batch.num_rows
        assert expected == 1_000_001
        assert ahead.next_batch() is None
        within(20, ahead.stop)
    assert pool.busy == 0


def test_reading_ahead_raises_what_the_stream_raised(pool: ArrowPool) -> None:
    with ThreadPoolExecutor(1) as executor, pool.stream() as stream:
        stream.start("SELECT 1 / (g - 500000) AS a FROM generate_series(1, 1000000) AS g", "vo:test")
        ahead = ReadAhead(stream, executor)
        with pytest.raises(QueryError, match="division by zero"):
            drain(ahead)
        with pytest.raises(QueryError, match="division by zero"):
            ahead.next_batch()
        within(20, ahead.stop)
