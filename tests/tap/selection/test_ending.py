"""Reading that is cancelled or fails, at any point: it ends at once, and nothing stays in the database."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from tap.selection.service import OpenedSelections
from tap.upload.store import LOCK_SPACE, sweep_uploads
from tests.conftest import wait_until
from tests.tap.asking import eventually
from tests.tap.query.test_explain import locked
from tests.tap.selection.asking import Desk, file, positions, whole
from tests.tap.selection.test_reading import execute
from tests.tap.upload.sending import parquet
from uws.inputs import OpenInput
from uws.tasks.declaration import InputPlan, Neighbours, Rows
from vo.core.errors import LimitError, ServiceError, UnavailableError

ENDS = 0.5
"""Seconds that ending may take; a machine that does much else gets some more."""
ROWS = 400_000
SLOW = "SELECT COUNT(*) AS n FROM demo.big AS a, demo.big AS b, demo.big AS c WHERE a.ra + b.ra < a.dec - c.dec"
SORTED = "SELECT a.ra FROM demo.big AS a, demo.big AS b ORDER BY a.ra + b.dec"
ENDLESS = "SELECT a.ra, b.dec FROM demo.big AS a, demo.big AS b, demo.big AS c"
UPLOADED = "SELECT MAX(id) AS n FROM TAP_UPLOAD.t"
WIDE = {"1": None, "2": "=demo.big"}


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> OpenInput:
    """Loading it takes some time."""
    generator = np.random.default_rng(8)
    path = tmp_path_factory.mktemp("many") / "t.parquet"
    columns = {f"x{number}": generator.uniform(size=ROWS) for number in range(8)}
    path.write_bytes(
        parquet(id=np.arange(ROWS), ra=generator.uniform(0, 360, ROWS), dec=generator.uniform(-90, 90, ROWS), **columns)
    )
    return file(path)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> OpenInput:
    """Finding its types takes some time."""
    path = tmp_path_factory.mktemp("text") / "t.csv"
    path.write_bytes(b"a,b,c,d\n" + b"1.25,2.5,3.75,12345678901\n" * 8_000_000)
    return file(path, "text/csv")


class Reader(threading.Thread):
    """Reads one input in a thread of its own."""

    def __init__(self, opened: OpenedSelections, inputs: dict[str, str | None], plan: InputPlan) -> None:
        super().__init__()
        self.error: BaseException | None = None
        self.rows = 0
        self._opened = opened, inputs, plan
        self.start()

    def run(self) -> None:
        opened, inputs, plan = self._opened
        try:
            recognised = positions(opened, inputs) if isinstance(plan, Neighbours) else {}
            for batch in opened.open(plan, recognised).batches:
                self.rows += batch.num_rows
        except BaseException as error:
            self.error = error


def queried(desk: Desk, pattern: str) -> Callable[[], object]:
    """Return what tells whether a statement runs."""
    query = "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query ~ %s AND pid <> pg_backend_pid()"
    return lambda: desk.fetch(query, pattern)


STATES: dict[str, tuple[dict[str, str | None], InputPlan, str]] = {
    "planning": ({"1": "SELECT AVG(ra) AS n FROM demo.big"}, Rows("1"), "EXPLAIN|AVG|avg"),
    "computing": ({"1": SLOW}, Rows("1"), "(?i)^COPY .*count"),
    "sorting": ({"1": SORTED}, Rows("1"), "^COPY .*ORDER BY"),
    "reading": ({"1": ENDLESS}, Rows("1"), "^COPY .*big"),
    "copying an upload": ({"1": UPLOADED}, Rows("1"), "^COPY .*vo_upload"),
    "indexing an upload": ({"1": UPLOADED}, Rows("1"), "^CREATE INDEX .*vo_upload|^ANALYZE"),
    "pairing": (
        WIDE,
        Neighbours(Rows("1", ("id",)), Rows("2", ("ra",)), 20.0),
        "^COPY \\(.*looked|^COPY \\(.*vo_upload",
    ),
    "copying positions": (WIDE, Neighbours(Rows("1"), Rows("2"), 0.001), "^COPY .*vo_upload.* FROM"),
}


@pytest.mark.parametrize("state", STATES)
def test_cancelled(desk: Desk, many: OpenInput, state: str) -> None:
    inputs, plan, pattern = STATES[state]
    label = f"cancelled-{state.replace(' ', '-')}"
    uploads = ["t,param:f"] if None in inputs.values() or UPLOADED in inputs.values() else []
    with desk.of(inputs, *uploads, label=label, f=many) as opened:
        if state == "planning":
            with locked(desk.service) as cursor:
                reader = Reader(opened, inputs, plan)
                eventually(lambda: waits(cursor, label))
                seconds = cancel(opened, reader)
        else:
            reader = Reader(opened, inputs, plan)
            wait_until(lambda: queried(desk, pattern)() or reader.error, f"it is {state}")
            seconds = cancel(opened, reader)
        assert isinstance(reader.error, LimitError), reader.error
        assert "cancelled" in str(reader.error)
        wait_until(lambda: not desk.backends(label), "no backend works for it", 2)
    print(f"{state}: ended after {seconds:.2f} s")
    assert seconds < 3 * ENDS
    assert desk.loaded() == []


def waits(cursor: object, label: str) -> bool:
    cursor.execute(  # type: ignore[attr-defined]
        "SELECT pg_stat_clear_snapshot(), count(*) FROM pg_stat_activity "
        f"WHERE application_name = 'vo:{label}' AND wait_event_type = 'Lock'"
    )
    return bool(cursor.fetchall()[0][1])  # type: ignore[attr-defined]


def cancel(opened: OpenedSelections, reader: Reader) -> float:
    """Cancel again and again as workers do, and return how long it took."""
    begun = time.monotonic()
    while reader.is_alive():
        opened.cancel()
        reader.join(0.1)
        assert time.monotonic() - begun < 20
    return time.monotonic() - begun


def test_cancelled_while_the_types_of_a_file_are_found(desk: Desk, text: OpenInput) -> None:
    with desk.of({"": None}, "t,param:f", f=text) as opened:
        reader = Reader(opened, {"": None}, Rows(""))
        reader.join(0.4)
        assert reader.is_alive()
        seconds = cancel(opened, reader)
    print(f"ended after {seconds:.2f} s")
    assert isinstance(reader.error, LimitError)
    assert seconds < 3 * ENDS


def test_cancelled_before_and_after(desk: Desk) -> None:
    with desk.of({"1": "=demo.big"}) as opened:
        opened.describe("1")
        stream = opened.open(Rows("1"), {})
        assert len(whole(stream)) > 0
        opened.cancel()
        opened.cancel()
        with pytest.raises(LimitError, match="cancelled"):
            opened.open(Rows("1"), {})
    opened.cancel()
    assert desk.pool.busy == 0


@pytest.mark.parametrize("state", ["computing", "reading", "copying an upload", "pairing"])
def test_closed_while_another_thread_reads(desk: Desk, many: OpenInput, state: str) -> None:
    inputs, plan, pattern = STATES[state]
    label = f"closed-{state.replace(' ', '-')}"
    uploads = ["t,param:f"] if state in {"copying an upload", "pairing"} else []
    with desk.of(inputs, *uploads, label=label, f=many) as opened:
        stream = opened.open(plan, positions(opened, inputs)) if state != "copying an upload" else None
        reader = threading.Thread(target=lambda: _drain(opened, plan, stream))
        reader.start()
        wait_until(queried(desk, pattern), f"it is {state}", 20)
        begun = time.monotonic()
        while stream is None and reader.is_alive():  # who opens also closes
            opened.cancel()
            reader.join(0.1)
    reader.join(10)
    assert not reader.is_alive()
    print(f"{state}: closed after {time.monotonic() - begun:.2f} s")
    assert desk.backends(label) == []
    assert desk.loaded() == []
    assert desk.pool.busy == 0


def _drain(opened: OpenedSelections, plan: InputPlan, stream: object) -> None:
    with suppress(ServiceError):
        for _ in (stream or opened.open(plan, {})).batches:  # type: ignore[attr-defined]
            pass


def test_not_read_to_the_end(desk: Desk) -> None:
    with desk.of({"1": ENDLESS, "2": "=demo.big"}, label="left") as opened:
        for name in "12":
            assert next(opened.open(Rows(name), {}).batches).num_rows > 0
    assert desk.backends("left") == []
    assert desk.pool.busy == 0


def test_a_backend_that_is_ended(desk: Desk) -> None:
    """As a database that goes away does it: the run may be tried again. The next one works."""
    with desk.of({"1": ENDLESS}, label="ended") as opened:
        stream = opened.open(Rows("1"), {})
        next(stream.batches)
        execute(desk, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'vo:ended'")
        with pytest.raises(UnavailableError):
            for _ in stream.batches:
                pass
    assert len(desk.read({"1": "=hipparcos.hip2"}, Rows("1", ("hip",)))) > 100_000


def test_a_session_of_uploads_that_is_ended(desk: Desk, tmp_path: Path) -> None:
    """Its tables may be empty now."""
    (tmp_path / "t.parquet").write_bytes(parquet(x=[1, 2]))
    inputs = {"1": "SELECT * FROM TAP_UPLOAD.t", "2": "SELECT SUM(x) AS s FROM TAP_UPLOAD.t"}
    with desk.of(inputs, "t,param:f", f=file(tmp_path / "t.parquet")) as opened:
        assert len(whole(opened.open(Rows("1"), {}))) == 2
        execute(
            desk,
            f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = {LOCK_SPACE}",
        )
        with pytest.raises(UnavailableError):
            whole(opened.open(Rows("2"), {}))
    eventually(lambda: sweep_uploads(desk.service.settings) or not desk.loaded())
    assert desk.loaded() == []
