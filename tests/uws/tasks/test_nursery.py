"""The fork server's life: it starts in the background, says what is wrong, and ends when it is told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tests.uws.tasks.processes import installed, order, ran, running, state, table, warm_nursery
from tests.uws.tasks.worker import variables
from uws.executor import StoppedError
from uws.tasks.nursery import Nursery
from vo.core.errors import UnavailableError


def test_the_test_distribution_is_installed_by_its_folder() -> None:
    program = (
        "from uws.tasks.catalogue import TaskCatalogue as C; c = C.installed(); print(*(t.name for t in c), c.broken)"
    )
    found = subprocess.run([sys.executable, "-c", program], env=variables(), capture_output=True, text=True, check=True)
    assert {"column-statistics", "misbehave", "resumable"} <= set(found.stdout.split())


def test_starting_takes_no_time_and_the_first_run_waits(tmp_path: Path) -> None:
    with installed():
        nursery = Nursery(["vo_test_tasks.misbehave"])
        begun = time.monotonic()
        nursery.start()
        assert time.monotonic() - begun < 0.5
        assert table(ran(nursery, order("none"), tmp_path)).num_rows == 1000
        nursery.close()


def test_a_run_that_waits_for_the_modules_can_be_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slow_to_import.py").write_text("import time\ntime.sleep(600)\n")
    (tmp_path / "scratch").mkdir()
    with installed():
        monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
        nursery = Nursery(["slow_to_import"])
        with running(nursery, order("none"), tmp_path / "scratch") as process:
            cancelling = threading.Timer(0.5, process.cancel)
            cancelling.start()
            begun = time.monotonic()
            with pytest.raises(StoppedError):
                next(process.events())
            assert time.monotonic() - begun < 10
            cancelling.join()
        nursery.close()


def test_a_module_that_cannot_be_imported_is_named_and_harms_no_task(tmp_path: Path) -> None:
    with installed():
        nursery = Nursery(["there.is.none", "vo_test_tasks.misbehave"])
        nursery.warm()
        assert [remark for remark in nursery.remarks if "there.is.none cannot be preloaded" in remark]
        assert table(ran(nursery, order("none"), tmp_path)).num_rows == 1000
        nursery.close()


@pytest.mark.parametrize("warm", [True, False])
def test_closing_ends_the_fork_server(warm: bool) -> None:
    nursery = Nursery(["scipy.spatial"])
    nursery.start()
    if warm:
        nursery.warm()
    wait_until(lambda: nursery.pid, "the fork server is there")
    server = nursery.pid
    nursery.close()
    assert state(server) == "X"
    assert not nursery.pid
    with pytest.raises(UnavailableError):
        nursery.warm()
    assert "nursery" not in {thread.name for thread in threading.enumerate()}


def test_a_fork_server_that_stands_still_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("uws.tasks.nursery.BIRTH_SECONDS", 1.0)
    with warm_nursery() as nursery:
        still = nursery.pid
        os.kill(still, signal.SIGSTOP)
        assert table(ran(nursery, order("none"), tmp_path)).num_rows == 1000
        assert nursery.pid != still
        assert state(still) == "X"
