"""What a task cannot do: the network, the database, files, secrets, other processes, and outliving its worker."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import make_home, wait_until
from tests.uws.tasks.processes import PLUGIN, offspring, order, ran, said, state, warm_nursery
from tests.uws.tasks.worker import last_lines, next_line, start, variables
from uws.tasks.nursery import Nursery
from vo.app.tasks import hidden as hidden_folders
from vo.core.errors import ServiceError
from vo.core.settings import Settings, load_settings

GONE = "The task failed in a way that it should not"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture(scope="module")
def hidden() -> Iterator[Path]:
    """A folder as open as can be, which no task is to see."""
    folder = make_home()
    (folder / "secret").write_text("secret")
    (folder / "secret").chmod(0o666)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def nursery(hidden: Path, cluster: Settings) -> Iterator[Nursery]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VO_DATABASE_URL", "postgresql://vo:secret@db/vo")
        patch.setenv("PGPASSWORD", "secret")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("A_TOKEN", "secret")
        with warm_nursery(hidden, cluster.home) as made:
            assert not made.remarks
            yield made


def test_the_network_cannot_be_reached(nursery: Nursery, tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        with pytest.raises(ServiceError, match=GONE):
            ran(nursery, order("network", target=port), tmp_path)
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
        assert said(ran(nursery, order("network", target=port, network=True), tmp_path)) == {"reached": True}


def test_the_database_cannot_be_reached(nursery: Nursery, tmp_path: Path, cluster: Settings) -> None:
    path = cluster.socket_directory / ".s.PGSQL.5432"
    with closing(socket.socket(socket.AF_UNIX)) as client:
        client.connect(str(path))
    for network in (False, True):
        with pytest.raises(ServiceError, match=GONE):
            ran(nursery, order("database", target=path, network=network), tmp_path)


def test_files_outside_cannot_be_read(nursery: Nursery, hidden: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("secret")
    for path in (hidden / "secret", mine, Path("/etc/shadow"), Path("/proc/1/environ")):
        with pytest.raises(ServiceError, match=GONE):
            ran(nursery, order("read-files", target=path), tmp_path)


def test_what_is_ours_is_hidden_wherever_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for results, folder in (
        ("results", tmp_path / "results"),
        ("/data/results", Path("/data/results")),
        ("file:///data/my%20results", Path("/data/my results")),
    ):
        settings = load_settings(home=tmp_path / "home", results=results, scratch="scratch", log_file="/data/vo.log")
        found = {path.absolute() for path in hidden_folders(settings)}
        assert {tmp_path / "home", folder, tmp_path / "scratch", Path("/data/vo.log")} <= found
    remote = hidden_folders(load_settings(home=tmp_path / "home", results="s3://bucket/data"))
    assert not [path for path in remote if "bucket" in str(path)]


def test_files_can_be_written_in_the_scratch_folder_alone(nursery: Nursery, hidden: Path, tmp_path: Path) -> None:
    for path in (hidden / "secret", hidden / "new", Path("/tmp/new"), Path("/var/tmp/new"), PLUGIN / "new"):
        with pytest.raises(ServiceError, match=GONE):
            ran(nursery, order("write-files", target=path), tmp_path)
        assert path.name == "secret" or not path.exists()
    assert said(ran(nursery, order("write-files", target="/dev/shm/new"), tmp_path)) == {"written": True}
    assert not Path("/dev/shm/new").exists()


def test_a_task_has_no_secrets_and_no_rights(nursery: Nursery, tmp_path: Path) -> None:
    told = said(ran(nursery, order("environment"), tmp_path))
    assert not [name for name, value in told["environment"].items() if "secret" in value or name.startswith("VO_")]
    assert told["environment"]["OMP_NUM_THREADS"] == "1"
    assert int(told["capabilities"], 16) == 0
    assert told["new_privileges"] == "1"
    assert told["niceness"] == 5
    assert told["processes"] == ["1", "2"]
    assert told["main"] is None
    assert told["folder"] == told["environment"]["HOME"] == told["environment"]["TMPDIR"]
    opened = [path for path in told["descriptors"] if not path.startswith("pipe:")]
    assert sorted({Path(path).name for path in opened}) == ["null", "printed"]
    if os.geteuid() == 0:
        assert told["user"] != 0
        assert told["groups"] == []


# Workers that are processes of their own


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can write."""
    folder = make_home()
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def _python_of_nobody() -> str:
    """Return a Python of our version that an ordinary user can run; without one the test is skipped."""
    for name in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        program = [*AS_NOBODY, name, "-c", "import sys, numpy, pyarrow; print(sys.version_info[1])"]
        found = subprocess.run(program, capture_output=True, text=True, env=variables(), check=False)
        if found.stdout.strip() == str(sys.version_info.minor):
            return name
    pytest.skip("no Python here that an ordinary user can run")


WITHOUT_NAMESPACES = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]
# The shell between: setpriv itself still has the rights to run programs in closed folders.
AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", 'exec "$0" "$@"']


@pytest.mark.parametrize("mode", ["spin", "escape", "fork-bomb-small", "chunks"])
@pytest.mark.parametrize("namespaces", [True, pytest.param(False, marks=as_root)])
def test_nothing_outlives_a_worker_that_is_killed(open_folder: Path, hidden: Path, mode: str, namespaces: bool) -> None:
    wrapper, python = ([], sys.executable) if namespaces else (WITHOUT_NAMESPACES, _python_of_nobody())
    wanted = {"mode": mode, "seconds": 600, "cores": 2}
    process = start(open_folder, hidden, wanted, wrapper=wrapper, python=python)
    assert (next_line(process)["remarks"] == []) == namespaces
    least = 3 if mode == "spin" else 5  # the fork server, the keeper, the task, and what it starts
    wait_until(lambda: len(offspring(process.pid)) >= least, "the task runs")
    left = offspring(process.pid)
    process.kill()
    wait_until(lambda: all(state(pid) in "ZX" for pid in left), "all of it is gone", seconds=2.0)
    process.communicate()


ALL_IS_SEEN = [
    "Tasks see the other processes of the machine, and theirs are ended one by one",
    "Tasks have the network",
    "Tasks see the files that their user may read, and can use the database's Unix sockets",
]


@as_root
@pytest.mark.parametrize(
    ("wrapper", "missing"),
    [
        pytest.param(WITHOUT_NAMESPACES, ALL_IS_SEEN, id="root-in-a-container"),
        pytest.param([*AS_NOBODY, "unshare", "--user"], ALL_IS_SEEN, id="user-in-a-container"),
        pytest.param([*AS_NOBODY, "unshare", "--map-root-user"], ["Tasks run as root"], id="root-of-a-user"),
    ],
)
def test_what_cannot_be_isolated_is_said_and_the_rest_works(
    open_folder: Path, hidden: Path, wrapper: list[str], missing: list[str]
) -> None:
    wanted: list[dict[str, object]] = [
        {"mode": "environment"},
        {"mode": "memory", "memory": 300 * 2**20},
        {"mode": "file"},
    ]
    lines = last_lines(start(open_folder, hidden, *wanted, wrapper=wrapper, python=_python_of_nobody()))
    assert [remark.partition(":")[0] for remark in lines[0]["remarks"]] == missing
    told = json.loads(lines[1]["said"])
    assert int(told["capabilities"], 16) == 0
    assert told["user"] == (65534 if missing == ALL_IS_SEEN else 0)
    assert "needed more than 300 MiB of memory" in next(line["error"] for line in lines if "error" in line)
    assert lines[-1] == {"done": True}
    assert not list(open_folder.iterdir())


@as_root
def test_without_namespaces_a_closed_folder_is_no_scratch_folder(open_folder: Path, hidden: Path) -> None:
    open_folder.chmod(0o700)
    started = start(open_folder, hidden, {"mode": "none"}, wrapper=WITHOUT_NAMESPACES, python=_python_of_nobody())
    assert "is not started" in last_lines(started)[-1]["error"]


@as_root
def test_an_ordinary_user_can_isolate_tasks_as_well(open_folder: Path, hidden: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        wanted = [
            {"mode": "environment"},
            {"mode": "network", "target": server.getsockname()[1]},
            {"mode": "read-files", "target": str(hidden / "secret")},
            {"mode": "write-files", "target": str(open_folder / "new")},
        ]
        process = start(open_folder, hidden, *wanted, wrapper=AS_NOBODY, python=_python_of_nobody())
        [remarks, said_it, done, *failed] = last_lines(process)
    assert remarks == {"remarks": []}
    assert done == {"done": True}
    told = json.loads(said_it["said"])
    assert told["processes"] == ["1", "2"]
    assert int(told["capabilities"], 16) == 0
    assert len(failed) == 3
    assert all(GONE in line["error"] for line in failed)
    assert not list(open_folder.iterdir())
