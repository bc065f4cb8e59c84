"""Chunks of a task on other processes and on a cluster of two nodes, one of which dies."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import free_port, make_home, wait_until
from tests.uws.tasks.processes import offspring, order, ran, table, warm_nursery
from tests.uws.tasks.worker import last_lines, next_line, start, variables
from uws.tasks.nursery import Nursery

CHUNKS = 40


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with warm_nursery() as made:
        yield made


def test_chunks_run_in_processes_beside_the_task(nursery: Nursery, tmp_path: Path) -> None:
    told = ran(nursery, order("chunks", rows=CHUNKS * 100, seconds=1.0, cores=2, memory=2**30), tmp_path)
    made = table(told)
    assert made.column("number").to_pylist() == list(range(CHUNKS))
    assert len({json.loads(text)["process"] for text in made.column("text").to_pylist()}) == 2


# A cluster


class Cluster:
    """A Ray cluster on this machine, on its loopback interface."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.address = f"127.0.0.1:{free_port()}"
        self._nodes: dict[str, subprocess.Popen[bytes]] = {}

    def node(self, name: str) -> None:
        """Start a node with two processors; the first one is the head."""
        _, _, port = self.address.rpartition(":")
        place = [f"--address={self.address}"]
        if not self._nodes:
            place = ["--head", f"--port={port}", f"--temp-dir={self._folder}", "--include-dashboard=false"]
        with (self._folder / f"{name}.out").open("wb") as output:
            self._nodes[name] = subprocess.Popen(
                [
                    Path(sys.executable).parent / "ray",
                    "start",
                    *place,
                    "--node-ip-address=127.0.0.1",
                    "--num-cpus=2",
                    f"--object-store-memory={100 * 2**20}",
                    "--disable-usage-stats",
                    "--block",
                ],
                env={**variables(), "VO_TEST_NODE": name, "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

        def runs() -> bool:
            said = (self._folder / f"{name}.out").read_text()
            assert self._nodes[name].poll() is None, said[-2000:]
            return "Ray runtime started" in said

        wait_until(runs, "the node runs", seconds=120)

    def kill(self, name: str) -> None:
        """Kill all processes of a node."""
        process = self._nodes.pop(name)
        for pid in (process.pid, *offspring(process.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        """Kill what is left."""
        for name in list(self._nodes):
            self.kill(name)


@contextmanager
def two_nodes() -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="vo-ray-", dir="/tmp"))  # Ray's sockets there need a short path
    cluster = Cluster(folder)
    try:
        cluster.node("first")
        cluster.node("second")
        yield cluster
    finally:
        cluster.close()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.skipif(find_spec("ray") is None, reason="needs the extra cluster")
def test_chunks_run_on_a_cluster_and_outlive_one_of_its_nodes() -> None:
    scratch = make_home()
    try:
        with two_nodes() as cluster:
            wanted = {"mode": "chunks", "rows": CHUNKS * 100, "seconds": CHUNKS * 0.5, "cluster": cluster.address}
            process = start(scratch, scratch / "none", wanted, {**wanted, "mode": "chunk-fails"})
            assert next_line(process) == {"remarks": []}
            nodes: list[str] = []
            while set(nodes) != {"first", "second"}:
                nodes.append(json.loads(next_line(process)["said"])["node"])
            cluster.kill("second")
            lines = last_lines(process)
        nodes += [json.loads(line["said"])["node"] for line in lines if "said" in line][: CHUNKS - len(nodes)]
        assert len(nodes) == CHUNKS
        assert {"done": True} in lines
        assert "The task failed in a way that it should not" in lines[-1]["error"]
    finally:
        shutil.rmtree(scratch)
