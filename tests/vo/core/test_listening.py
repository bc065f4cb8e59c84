"""The listener: it hears what is notified, comes back whatever happens to the database, and says when to look anew."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial

import psycopg2
import pytest

from tests.conftest import make_home, wait_until
from vo.core import listening
from vo.core.cluster import Cluster
from vo.core.errors import UnavailableError
from vo.core.listening import Listener
from vo.core.settings import Settings, load_settings


class Follower:
    """A listener and what it told."""

    def __init__(self, conninfo: str, *, look: Callable[[], None] | None = None) -> None:
        self.heard: list[tuple[str, str]] = []
        self.looks = 0
        self._look = look
        self.listener = Listener(
            conninfo,
            ["vo_test_one", "vo_test_two"],
            heard=lambda channel, payload: self.heard.append((channel, payload)),
            missed=self._count,
            name="test",
        )

    def wait(self, *, looks: int = 0, said: str | None = None) -> None:
        """Wait until it looked so often, and until it heard this last."""
        wait_until(lambda: self.looks >= looks, f"it looked {looks} times")
        wait_until(lambda: said is None or self.last == said, f"it heard {said}")
        assert not looks or self.looks == looks

    @property
    def last(self) -> str | None:
        """What was heard last."""
        return self.heard[-1][1] if self.heard else None

    def _count(self) -> None:
        self.looks += 1
        if self._look is not None:
            self._look()


@contextmanager
def following(conninfo: str, look: Callable[[], None] | None = None) -> Iterator[Follower]:
    follower = Follower(conninfo, look=look)
    follower.listener.start()
    try:
        wait_until(lambda: follower.looks, "it listens")
        yield follower
    finally:
        follower.listener.stop()


def run(conninfo: str, statement: str) -> int:
    """Run a statement and return how many rows it gave."""
    with closing(psycopg2.connect(conninfo)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.rowcount


def end_backend(conninfo: str) -> bool:
    """End the backend of the listener, if there is one just now."""
    return bool(
        run(
            conninfo,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'vo:test' AND datname = current_database()",
        )
    )


@pytest.fixture
def conninfo(cluster: Settings) -> str:
    """A database in which nobody else listens."""
    return cluster.url("postgres").set(database="postgres").render_as_string(hide_password=False)


@pytest.fixture
def no_watchdog(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is told to look is told by a new connection."""
    monkeypatch.setattr(listening, "POLL_SECONDS", 3600.0)


@pytest.mark.usefixtures("no_watchdog")
def test_it_hears_its_channels_in_order(conninfo: str) -> None:
    with following(conninfo) as follower:
        run(conninfo, "NOTIFY vo_test_one, 'a'; NOTIFY vo_test_other, 'b'; NOTIFY vo_test_two")
        run(conninfo, "NOTIFY vo_test_one, 'c'")
        wait_until(lambda: len(follower.heard) == 3, "it heard")
        assert follower.heard == [("vo_test_one", "a"), ("vo_test_two", ""), ("vo_test_one", "c")]
        assert follower.looks == 1


@pytest.mark.usefixtures("no_watchdog")
def test_its_backend_is_ended(conninfo: str) -> None:
    with following(conninfo) as follower:
        for number in range(2, 4):
            assert end_backend(conninfo)
            follower.wait(looks=number)
            run(conninfo, f"NOTIFY vo_test_one, '{number}'")
            follower.wait(said=str(number))


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    home = make_home()
    cluster = Cluster(load_settings(home=home))
    with cluster.held():
        yield cluster
    shutil.rmtree(home)


@pytest.mark.usefixtures("no_watchdog")
def test_the_database_restarts(own_cluster: Cluster) -> None:
    conninfo = f"postgresql://postgres@/postgres?host={own_cluster.sockets}"
    with following(conninfo) as follower:
        for looks, how in ((2, signal.SIGINT), (3, signal.SIGQUIT)):  # fast and immediate shutdown
            os.kill(int((own_cluster.data / "postmaster.pid").read_text().split("\n", 1)[0]), how)
            wait_until(lambda: not own_cluster.running, "PostgreSQL is gone")
            assert follower.looks == looks - 1
            own_cluster.start()
            begun = time.monotonic()
            follower.wait(looks=looks)
            assert time.monotonic() - begun < 10
            run(conninfo, f"NOTIFY vo_test_two, '{how.name}'")
            follower.wait(said=how.name)


def test_it_waits_for_a_database_that_is_not_there_yet() -> None:
    follower = Follower("postgresql://vo@/nothing?host=/nowhere")
    follower.listener.start()
    begun = time.monotonic()
    follower.listener.stop()
    assert time.monotonic() - begun < 5
    assert follower.looks == 0


@pytest.mark.usefixtures("no_watchdog")
def test_nothing_is_lost_that_looking_does_not_make_up_for(scratch_database: str) -> None:
    """A number counts up while backends are ended: who looks at it when told so always comes to know the last one."""
    run(scratch_database, "CREATE TABLE number AS SELECT 0 AS value")
    known = 0

    def look() -> None:
        nonlocal known
        with closing(psycopg2.connect(scratch_database)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT value FROM number")
            row = cursor.fetchone()
            assert row is not None
            known = max(known, row[0])

    def knows(follower: Follower, value: int) -> bool:
        return value in (known, int(follower.last or 0))

    with following(scratch_database, look) as follower:
        for value in range(1, 61):
            run(scratch_database, f"UPDATE number SET value = {value}; NOTIFY vo_test_one, '{value}'")
            if value % 7 == 0:
                end_backend(scratch_database)
            if value % 20 == 0:  # in whatever state it is now
                wait_until(partial(knows, follower, value), "it knows the last number", 20)
        assert follower.looks > 1


def test_the_watchdog_looks_although_all_seems_well(conninfo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "POLL_SECONDS", 0.1)
    with following(conninfo) as follower:
        wait_until(lambda: follower.looks >= 3, "it looked without being told")
        assert follower.heard == []


@pytest.mark.usefixtures("no_watchdog")
@pytest.mark.parametrize("error", [UnavailableError("The database does not answer."), KeyError("a bug")])
def test_looking_that_fails_is_tried_again(conninfo: str, error: Exception) -> None:
    failures = [error, error]

    def look() -> None:
        if failures:
            raise failures.pop()

    with following(conninfo, look) as follower:
        follower.wait(looks=3)
        run(conninfo, "NOTIFY vo_test_one, 'a'")
        follower.wait(said="a")


@pytest.mark.usefixtures("no_watchdog")
def test_thousands_of_open_files_do_not_make_it_deaf(conninfo: str) -> None:
    """As in a process in which a thousand clients wait, when the database comes back."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        with following(conninfo) as follower:
            run(conninfo, "NOTIFY vo_test_one, 'a'")
            follower.wait(said="a")
    finally:
        for descriptor in opened:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("no_watchdog")
def test_stopped_it_leaves_no_thread_and_no_connection(conninfo: str) -> None:
    with following(conninfo):
        assert any(thread.name == "test" for thread in threading.enumerate())
    assert not any(thread.name == "test" for thread in threading.enumerate())
    wait_until(lambda: not end_backend(conninfo), "its connection is closed")
