"""A task's process: what it tells, how it fails, and that nothing is left of it."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.conftest import wait_until
from tests.uws.tasks.processes import (
    MIB,
    offspring,
    order,
    ran,
    running,
    said,
    state,
    stream,
    table,
    warm_nursery,
)
from uws.executor import StoppedError
from uws.tasks.events import Counted, Event, Finished, Made, Noted, Progressed, Saved
from uws.tasks.given import Counts
from uws.tasks.nursery import Nursery
from vo.core.errors import LimitError, ParameterError, QueryError, ServiceError, UnavailableError, UsageError
from vo.core.tables import TableStream

GONE = "The task failed in a way that it should not"


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with warm_nursery() as made:
        yield made


@pytest.fixture
def rows() -> pa.Table:
    return pa.table({"number": np.arange(100_000), "value": np.arange(100_000) / 2})


# What it tells


def test_rows_arrive_in_order_and_in_the_types_of_their_columns(nursery: Nursery, tmp_path: Path) -> None:
    told = ran(nursery, order("none", rows=2345), tmp_path)
    made = table(told)
    assert made.column("number").to_pylist() == list(range(2345))
    assert made.schema.types == [pa.int64(), pa.float64(), pa.string()]
    assert [event.counts.found for event in told if isinstance(event, Counted)] == [2345]


def test_an_input_is_read_and_a_statistic_made_of_it(nursery: Nursery, tmp_path: Path, rows: pa.Table) -> None:
    columns, given = stream(rows)
    what = order("none", task="statistics:ColumnStatistics", inputs={"rows": columns})
    parameters = type(what)(**{**vars(what), "parameters": "{}", "outputs": what.outputs})
    [first, second] = table(ran(nursery, parameters, tmp_path, {"rows": given})).to_pylist()
    assert (first["column_name"], first["number"], first["maximum"]) == ("number", 100_000, 99_999)
    assert (second["column_name"], second["minimum"], second["mean"]) == ("value", 0, 24_999.75)


def test_the_last_progress_and_all_counts_are_told_but_not_every_step(nursery: Nursery, tmp_path: Path) -> None:
    told = ran(nursery, order("progress", rows=5000), tmp_path)
    steps = [event for event in told if isinstance(event, Progressed)]
    assert steps[-1] == Progressed(1.0, "step 5000")
    assert len(steps) < 100
    counts = [event.counts for event in told if isinstance(event, Counted)]
    assert sum(count.requested for count in counts) == 5000
    assert sum(count.failed.get("odd", 0) for count in counts) == 2500


def test_the_last_progress_is_told_though_the_task_says_nothing_more(nursery: Nursery, tmp_path: Path) -> None:
    with running(nursery, order("progress", rows=10, seconds=60), tmp_path) as process:
        for event in process.events():
            if event == Progressed(1.0, "step 10"):
                break


def test_a_checkpoint_comes_after_its_rows_and_is_given_to_the_next_attempt(nursery: Nursery, tmp_path: Path) -> None:
    what = order("resume", task="misbehave:Resumable", rows=3000)
    made = 0
    for event in ran(nursery, what, tmp_path):
        if isinstance(event, Made):
            made += event.batch.num_rows
        if isinstance(event, Saved):
            assert int(event.state) == made
    assert made == 3000
    again = ran(nursery, type(what)(**{**vars(what), "checkpoint": b"2000"}), tmp_path)
    assert again[0] == Noted("resumed_at", "2000")
    assert table(again).column("number").to_pylist() == list(range(2000, 3000))


def test_a_file_is_handed_over_out_of_the_tasks_reach(nursery: Nursery, tmp_path: Path) -> None:
    with running(nursery, order("file"), tmp_path) as process:
        [finished] = [event for event in process.events() if isinstance(event, Finished)]
        assert finished.path.read_text() == "a day like any other"
        assert finished.path.parent.stat().st_uid == os.getuid()


def test_a_link_is_no_file(nursery: Nursery, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match=GONE):
        ran(nursery, order("link", target="/etc/passwd"), tmp_path)


# How it fails


def test_an_error_of_the_service_comes_back_as_what_it_was(nursery: Nursery, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as found:
        ran(nursery, order("service-error"), tmp_path)
    assert (type(found.value), found.value.message, found.value.hint) == (
        UsageError,
        "It cannot be done.",
        "Do something else.",
    )
    with pytest.raises(ParameterError, match=r"ROWS: there are too many\. Send fewer\.") as wrong:
        ran(nursery, order("parameter-error"), tmp_path)
    assert wrong.value.parameter == "ROWS"


def test_rows_made_before_a_failure_arrive(nursery: Nursery, tmp_path: Path) -> None:
    with running(nursery, order("partial", rows=1000), tmp_path) as process:
        events = process.events()
        assert sum(event.batch.num_rows for event in itertools.islice(events, 5) if isinstance(event, Made)) == 500
        with pytest.raises(UsageError, match="Half"):
            next(events)


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("raise", f"{GONE}. Tell"),
        ("bad-batch", "Column 'value': a value does not fit datatype double"),
        ("few-columns", "A batch has 1 columns where 3 are declared"),
        ("no-batch", "it made a str where a record batch is needed"),
        ("no-output", "there is no table 'other' among its outputs"),
        ("chunk-fails", f"{GONE}. Tell"),
        ("rubbish", f"{GONE}. Tell"),
        ("huge-frame", f"{GONE}. Tell"),
        ("half-frame", "ended with exit status 0 before it was done"),
        ("exit", "ended with exit status 3 before it was done"),
        ("crash", r"ended by SIGSEGV \(segmentation fault\) before it was done"),
    ],
)
def test_mistakes_of_tasks_harm_nobody_else(nursery: Nursery, tmp_path: Path, mode: str, words: str) -> None:
    with pytest.raises(ServiceError, match=words) as found:
        ran(nursery, order(mode), tmp_path)
    assert type(found.value) is ServiceError
    assert "secret" not in str(found.value)


def test_a_process_that_is_killed_from_outside_can_be_tried_again(nursery: Nursery, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="killed from outside"):
        ran(nursery, order("crash", target="SIGKILL"), tmp_path)
    with pytest.raises(UnavailableError, match="was lost"):
        ran(nursery, order("chunk-crash", cores=2), tmp_path)


@pytest.mark.parametrize(
    ("mode", "mib"),
    [
        ("memory", 300),
        ("shared-memory", 300),
        ("nameless-memory", 300),
        ("memory-of-chunks", 512),  # of two processes, for which there must be room
        ("memory-error", 300),
    ],
)
def test_memory_is_limited(nursery: Nursery, tmp_path: Path, mode: str, mib: int) -> None:
    with pytest.raises(LimitError, match=rf"more than {mib} MiB of memory.*VO_TASK_MEMORY"):
        ran(nursery, order(mode, memory=mib * MIB, disk=2**30, cores=2, seconds=60), tmp_path)


@pytest.mark.parametrize("mode", ["disk", "nameless-disk", "deep"])
def test_disk_is_limited(nursery: Nursery, tmp_path: Path, mode: str) -> None:
    with pytest.raises(LimitError, match=r"more than 20 MiB of disk.*VO_TASK_DISK"):
        ran(nursery, order(mode, disk=20 * MIB, seconds=60), tmp_path)


def test_words_are_such_as_can_be_stored(nursery: Nursery, tmp_path: Path) -> None:
    told: list[Event] = []
    with (
        running(nursery, order("strange-words"), tmp_path) as process,
        pytest.raises(UsageError, match="is\ufffdwrong"),
    ):
        told.extend(process.events())  # what comes before the error as well
    assert Progressed(None, "a\ufffdstage") in told
    assert Noted("half", "a \ufffd") in told
    assert [event.counts.failed for event in told if isinstance(event, Counted)] == [{"no\ufffdthing": 1}]


def test_words_are_not_endless(nursery: Nursery, tmp_path: Path) -> None:
    told: list[Event] = []
    with (
        running(nursery, order("many-words", rows=10_000), tmp_path) as process,
        pytest.raises(ServiceError, match="more than 100 facts"),
    ):
        told.extend(process.events())
    assert len([event for event in told if isinstance(event, Noted)]) == 100
    counts = Counts()
    for event in told:
        counts = counts.plus(event.counts) if isinstance(event, Counted) else counts
    assert (len(counts.failed), sum(counts.failed.values())) == (101, 10_000)
    assert counts.failed["other reasons"] == 9900


def test_processes_are_limited(nursery: Nursery, tmp_path: Path) -> None:
    with pytest.raises(LimitError, match="more than 68 processes"):
        ran(nursery, order("processes"), tmp_path)


# Inputs


def test_an_error_while_an_input_is_read_is_the_runs(nursery: Nursery, tmp_path: Path, rows: pa.Table) -> None:
    columns, given = stream(rows)

    def broken() -> Iterator[pa.RecordBatch]:
        yield next(given.batches)
        raise QueryError("Division by zero.")

    what = order("echo", task="misbehave:Reader", inputs={"rows": columns})
    with pytest.raises(QueryError, match="Division by zero"):
        ran(nursery, what, tmp_path, {"rows": TableStream(columns, broken())})


def test_an_input_that_is_not_read_to_its_end_is_let_go(nursery: Nursery, tmp_path: Path, rows: pa.Table) -> None:
    columns, given = stream(rows)
    batches = list(given.batches)
    taken = 0

    def endless() -> Iterator[pa.RecordBatch]:
        nonlocal taken
        while True:
            taken += 1
            yield batches[taken % len(batches)]

    what = order("ignore-input", task="misbehave:Reader", inputs={"rows": columns})
    assert table(ran(nursery, what, tmp_path, {"rows": TableStream(columns, endless())})).num_rows == 1
    before = taken
    assert not [thread for thread in threading.enumerate() if thread.name == "task the-job"]
    assert taken == before


def test_batches_of_other_types_arrive_in_the_declared_ones(nursery: Nursery, tmp_path: Path) -> None:
    columns, _ = stream(pa.table({"number": pa.array([], pa.int64()), "text": pa.array([], pa.string())}))
    batch = pa.record_batch({"number": pa.array([1, 2], pa.int16()), "text": pa.array(["a", "b"]).dictionary_encode()})
    what = order("echo", task="misbehave:Reader", inputs={"rows": columns})
    told = said(ran(nursery, what, tmp_path, {"rows": TableStream(columns, iter([batch, batch]))}))
    assert told["rows"] == 4


def test_a_slow_reader_slows_the_task(nursery: Nursery, tmp_path: Path) -> None:
    with running(nursery, order("big-batches", rows=40 * MIB, memory=2**31), tmp_path) as process:
        events = process.events()
        first = next(events)
        assert isinstance(first, Made)
        wait_until(lambda: any(map(_waits_for_pipe, offspring(nursery.pid))), "the task waits for its reader")
        made = [event.batch.num_rows for event in events if isinstance(event, Made)]
        assert first.batch.num_rows + sum(made) == 40 * MIB


def _waits_for_pipe(pid: int) -> bool:
    return "pipe" in Path(f"/proc/{pid}/wchan").read_text()


# Its end


@pytest.mark.parametrize("mode", ["sleep", "spin", "deaf", "fork-bomb-small", "escape", "chunks"])
def test_cancelling_ends_all_processes_at_once(nursery: Nursery, tmp_path: Path, mode: str) -> None:
    server = nursery.pid
    with running(nursery, order(mode, seconds=600, cores=2), tmp_path) as process:
        events = process.events()
        if mode == "chunks":
            thread = threading.Thread(target=_stopped, args=(events,))
            thread.start()
            wait_until(lambda: len(offspring(server)) >= 4, "the chunks run")
            begun = time.monotonic()
            process.cancel()
            thread.join()
        else:
            next(events)
            begun = time.monotonic()
            process.cancel()
            with pytest.raises(StoppedError):
                list(events)
        assert time.monotonic() - begun < 0.5
        assert not offspring(server)


def _stopped(events: Iterator[Event]) -> None:
    with pytest.raises(StoppedError):
        list(events)


def test_a_run_that_was_cancelled_before_does_not_begin(nursery: Nursery, tmp_path: Path) -> None:
    with running(nursery, order("none"), tmp_path) as process:
        process.cancel()
        with pytest.raises(StoppedError):
            list(process.events())


def test_what_a_task_started_ends_with_it(nursery: Nursery, tmp_path: Path) -> None:
    ran(nursery, order("escape"), tmp_path)
    assert not offspring(nursery.pid)


def test_two_hundred_runs_leave_nothing(nursery: Nursery, tmp_path: Path) -> None:
    ran(nursery, order("none"), tmp_path)
    descriptors, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    server = nursery.pid
    of_server = len(os.listdir(f"/proc/{server}/fd"))
    modes = ["none", "raise", "crash", "file"]
    for number in range(200):
        with running(nursery, order(modes[number % 4], rows=10), tmp_path) as process:
            try:
                list(process.events())
            except ServiceError:
                assert number % 4 in (1, 2)
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert threading.active_count() == threads
    assert not offspring(server)
    wait_until(lambda: len(os.listdir(f"/proc/{server}/fd")) == of_server, "the fork server has closed all")
    assert not list(tmp_path.iterdir())


def test_runs_go_side_by_side(nursery: Nursery, tmp_path: Path) -> None:
    made: list[int] = []

    def run(rows: int) -> None:
        scratch = tmp_path / str(rows)
        scratch.mkdir()
        made.append(table(ran(nursery, order("slow-rows", rows=rows, seconds=0.2), scratch)).num_rows)

    threads = [threading.Thread(target=run, args=(rows,)) for rows in (100, 200, 300, 400)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [100, 200, 300, 400]


def test_a_fork_server_that_dies_takes_its_runs_along_and_is_replaced(nursery: Nursery, tmp_path: Path) -> None:
    server = nursery.pid
    with running(nursery, order("sleep", seconds=600), tmp_path) as process:
        events = process.events()
        next(events)
        left = offspring(server)
        os.kill(server, signal.SIGKILL)
        with pytest.raises(UnavailableError):
            list(events)
        wait_until(lambda: all(state(pid) in "ZX" for pid in left), "its runs are gone")
    assert table(ran(nursery, order("none"), tmp_path)).num_rows == 1000
    assert nursery.pid != server
