"""Stored files: what is there after writing, failing and crashing; on a disk, a full disk and elsewhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from vo.core.errors import ConfigurationError, NotFoundError, ServiceError, UnavailableError
from vo.core.files import BUFFER_BYTES, FileStore

SMALL_DISK = """
mount -t tmpfs -o size=1m disk "$1" && exec "$2" -c "$3" "$1"
"""
ON_A_FULL_DISK = """
import os, sys
from vo.core.errors import ConfigurationError, LimitError
from vo.core.files import FileStore

store = FileStore(sys.argv[1])
with store.write("filler/result") as writer:
    writer.write(bytes(store.free() - 16_384))
for size in (2_000_000, 100_000):  # too much at once, and what is buffered until the end
    try:
        with store.write("job/result") as writer:
            writer.write(bytes(size))
    except LimitError as error:
        assert "full" in error.message and error.hint and sys.argv[1] not in error.text(), error.text()
    else:
        raise AssertionError(size)
    assert os.listdir(sys.argv[1] + "/job") == []
store.delete_folder("filler")
with store.write("job/result") as writer:
    writer.write(bytes(100_000))
assert store.size("job/result") == 100_000
print("well")
"""
ON_A_DISK_FOR_READING = """
import subprocess, sys
from vo.core.errors import ConfigurationError
from vo.core.files import FileStore

subprocess.run(["mount", "-o", "remount,ro", sys.argv[1]], check=True)
try:
    FileStore(sys.argv[1])
except ConfigurationError as error:
    assert "may not write" in error.message, error.message
    print("well")
"""
KILLED = """
import os, signal, sys
from vo.core.files import FileStore

with FileStore(sys.argv[1]).write("job/result") as writer:
    writer.write(bytes(3_000_000))
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(params=["disk", "elsewhere"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> FileStore:
    """A store on a disk, and one on a file system of Arrow that is none."""
    return FileStore(tmp_path / "files" if request.param == "disk" else "mock:///bucket/files")


@pytest.fixture
def disk(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path)


def write(store: FileStore, path: str, content: bytes) -> None:
    with store.write(path) as writer:
        writer.write(content)


def read(store: FileStore, path: str) -> bytes:
    with store.open(path) as file:
        return bytes(file.read())


def fail_to_write(store: FileStore, path: str) -> None:
    with store.write(path) as writer:
        writer.write(b"x" * 1_000_000)
        raise ArithmeticError


def test_blocks_of_all_kinds_and_sizes_arrive_in_order(store: FileStore) -> None:
    large = os.urandom(3 * BUFFER_BYTES + 7)
    with store.write("jobs/7/result.vot") as writer:
        for block in (b"head", memoryview(large), pa.py_buffer(large), b"", b"tail", memoryview(large)[:BUFFER_BYTES]):
            writer.write(block)
        assert writer.size == 8 + 2 * len(large) + BUFFER_BYTES
    content = b"head" + large + large + b"tail" + large[:BUFFER_BYTES]
    assert read(store, "jobs/7/result.vot") == content
    assert store.size("jobs/7/result.vot") == len(content)
    with store.open("jobs/7/result.vot") as file:
        assert file.read_at(9, len(content) - 9) == content[-9:]
        assert file.read_at(4, 0) == b"head"


def test_a_writer_that_fails_leaves_nothing(store: FileStore) -> None:
    with pytest.raises(ArithmeticError):
        fail_to_write(store, "job/new")
    assert store.size("job/new") is None
    with pytest.raises(NotFoundError):
        store.open("job/new")


def test_a_file_is_replaced_as_a_whole_or_not_at_all(disk: FileStore, tmp_path: Path) -> None:
    write(disk, "job/result", b"old")
    with disk.open("job/result") as reader:
        with pytest.raises(ArithmeticError):
            fail_to_write(disk, "job/result")
        assert read(disk, "job/result") == b"old"
        with disk.write("job/result") as writer:
            writer.write(b"new")
            assert read(disk, "job/result") == b"old"
        assert read(disk, "job/result") == b"new"
        assert reader.read() == b"old"
    assert os.listdir(tmp_path / "job") == ["result"]


def test_a_killed_writer_leaves_no_file_under_the_path(disk: FileStore, tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert disk.size("job/result") is None
    disk.delete_folder("job")
    assert os.listdir(tmp_path) == []


def test_a_complete_file_and_its_folders_are_on_the_disk(
    disk: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[Path, int]] = []
    fsync = os.fsync

    def recorded(descriptor: int) -> None:
        fsync(descriptor)
        synced.append((Path(os.readlink(f"/proc/self/fd/{descriptor}")), os.fstat(descriptor).st_size))

    monkeypatch.setattr(os, "fsync", recorded)
    write(disk, "jobs/7/result", b"x" * 1000)
    (file, size), *folders = synced
    assert (file.parent, size) == (tmp_path / "jobs/7", 1000)
    assert [folder for folder, _ in folders] == [tmp_path / "jobs/7", tmp_path / "jobs", tmp_path]


def test_folders_are_listed_and_deleted(store: FileStore) -> None:
    assert store.folders() == store.folders("nowhere") == []
    for path in ("jobs/1/a", "jobs/1/deep/b", "jobs/2/a", "jobs/plain"):
        write(store, path, b"x")
    found = dict(store.folders("jobs"))
    assert set(found) == {"1", "2"}
    for time in found.values():
        assert time is not None
        assert abs(datetime.now(UTC) - time) < timedelta(minutes=1)
    for _ in range(2):
        store.delete_folder("jobs/1")
    assert [name for name, _ in store.folders("jobs")] == ["2"]
    assert store.size("jobs/1/deep/b") is None
    assert store.size("jobs") is None
    assert read(store, "jobs/2/a") == b"x"


def test_a_folder_that_goes_while_it_is_written_to(disk: FileStore) -> None:
    def write_meanwhile() -> None:
        with disk.write("job/result"):
            disk.delete_folder("job")

    with pytest.raises(NotFoundError):
        write_meanwhile()
    assert disk.folders() == []


@pytest.mark.parametrize("path", ["", "/etc/passwd", "..", "a/../b", "a//b", "a/", ".", "a/./b", "a\\..\\b", "a\0b"])
def test_paths_stay_inside(disk: FileStore, path: str) -> None:
    for call in (disk.write, disk.open, disk.size, disk.delete_folder):
        with pytest.raises(ValueError, match="not a path inside"):
            call(path)


@pytest.mark.parametrize("name", ["plain", "a b", "100%25?#&", "été–Ω"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(FileStore(name), "x", b"content")
    assert (tmp_path / name / "x").read_bytes() == b"content"
    assert read(FileStore((tmp_path / name).as_uri()), "x") == b"content"


def test_free_space(disk: FileStore, tmp_path: Path) -> None:
    found, free = os.statvfs(tmp_path), disk.free()
    assert free is not None
    assert free == pytest.approx(found.f_bavail * found.f_frsize, abs=1 << 30)
    assert FileStore("mock:///bucket").free() is None


def test_operators_read_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"cannot be used: .*Not a directory") as wrong_folder:
        FileStore(tmp_path / "file" / "results")
    assert str(tmp_path / "file" / "results") in wrong_folder.value.message
    with pytest.raises(ConfigurationError, match="Unrecognized filesystem") as wrong_uri:
        FileStore("bogus://key:secret@bucket/folder")
    assert "secret" not in str(wrong_uri.value)
    assert "bucket/folder" in wrong_uri.value.message


def test_users_read_nothing_of_the_server(disk: FileStore, tmp_path: Path) -> None:
    (tmp_path / "job").touch()
    with pytest.raises(UnavailableError) as unavailable, disk.write("job/result"):
        pass
    with pytest.raises(NotFoundError) as missing:
        disk.open("missing")
    errors: list[ServiceError] = [unavailable.value, missing.value]
    for error in errors:
        assert str(tmp_path) not in error.text()
        assert str(tmp_path) in str(error.__cause__)


def test_threads_write_at_the_same_time(disk: FileStore) -> None:
    def fill(letter: bytes) -> None:
        for number in range(20):
            with disk.write(f"jobs/{number}/{letter.decode()}") as own, disk.write(f"jobs/{number}/shared") as shared:
                for _ in range(10):
                    own.write(letter * 100_000)
                    shared.write(letter * 100_000)

    threads = [threading.Thread(target=fill, args=(letter,)) for letter in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(20):
        for letter in (b"a", b"b", b"c"):
            assert read(disk, f"jobs/{number}/{letter.decode()}") == letter * 1_000_000
        assert read(disk, f"jobs/{number}/shared") in {letter * 1_000_000 for letter in (b"a", b"b", b"c")}


@pytest.mark.parametrize("script", [ON_A_FULL_DISK, ON_A_DISK_FOR_READING], ids=["full", "for reading"])
def test_a_disk_that_takes_no_more(tmp_path: Path, script: str) -> None:
    own_mounts = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*own_mounts, 'mount -t tmpfs x "$0"', tmp_path], check=False, capture_output=True).returncode:
        pytest.skip("needs to mount a disk")
    command = [*own_mounts, SMALL_DISK, "sh", str(tmp_path), sys.executable, script]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.stdout == "well\n", done.stderr
