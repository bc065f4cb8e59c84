"""Jobs of tasks that go on with others, over HTTP, with the real queue, a worker in this process and real runs."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.conftest import wait_until
from tests.tap.asking import ask
from tests.uws.asking import abort, delete, ended, id_of, job_parameters, location, phase, post, refused, run
from tests.uws.database import Database
from tests.uws.tasks.processes import installed
from tests.uws.tasks.serving import multipart, task_settings
from tests.uws.working import working
from tests.vo.app.running import running
from uws.cleaning import Cleaner
from uws.folders import checkpoint_folder
from vo.app.main import create_app
from vo.app.tasks import TasksHere, build_tasks
from vo.core.callers import OPERATOR, Caller
from vo.core.dali.parameters import Parameters
from vo.core.errors import ForbiddenError
from vo.core.files import FileStore
from vo.core.settings import Settings

JOBS = "/tasks/resumable/async"
ROWS = 5000
"""Of which a thousand come between two checkpoints."""
SENT = b"a,b\n1,2\n"
"""A file that comes with each job."""
STATES = {str(count) for count in range(1000, ROWS, 1000)}


class Continuing:
    """A service with the task `resumable`, and the folder of its files."""

    def __init__(self, port: int, database: Database, tasks: TasksHere, folder: Path) -> None:
        self.port = port
        self.database = database
        self.tasks = tasks
        self.folder = folder

    def create(self, **parameters: str) -> str:
        asked = {"MODE": "resume", "ROWS": str(ROWS), "SECONDS": "5", "RESPONSEFORMAT": "csv", **parameters}
        body, headers = multipart(asked, {"mine": ("mine.csv", SENT)})
        return location(ask(self.port, JOBS, method="POST", body=body, headers=headers))

    def halfway(self, **parameters: str) -> str:
        """A job that runs and has kept some rows, and is far from its end."""
        job = self.create(PHASE="RUN", **parameters)
        wait_until((self.kept(job) / "state").exists, "it has kept rows")
        return job

    def aborted(self, **parameters: str) -> str:
        job = self.halfway(**parameters)
        abort(self.port, job)
        assert phase(self.port, job) == "ABORTED"
        return job

    def go_on(self, job: str, **parameters: str) -> str:
        return location(post(self.port, JOBS, {"CONTINUE": id_of(job), "PHASE": "RUN", **parameters}))

    def kept(self, job: str) -> Path:
        return self.folder / checkpoint_folder(id_of(job))

    def document(self, job: str) -> str:
        return ask(self.port, job, headers={"Accept": "text/xml"}).text

    def numbers(self, job: str) -> list[int]:
        """The rows of a job that went on with another one, and counted each of them once."""
        assert ended(self.port, job) == "COMPLETED", self.document(job)
        assert f"found>{ROWS}<" in self.document(job)
        assert not self.kept(job).exists()
        return [int(row[0]) for row in ask(self.port, f"{job}/results/result").csv()]

    def stored(self) -> int:
        return int(self.database.value("SELECT sum(stored_bytes)::bigint FROM uws.accounts"))


@contextmanager
def _service(database: Database, folder: Path) -> Iterator[Continuing]:
    scratch = folder / "scratch"
    scratch.mkdir()
    settings = task_settings(database, folder / "results", scratch=scratch)
    with installed(), build_tasks(settings) as tasks:
        tasks.parts.nursery.warm()
        app = create_app(settings)
        with working(database, folder / "results", tasks.executor("resumable")), running(app) as port:
            yield Continuing(port, database, tasks, folder / "results")
            app.state.on_stop()


@pytest.fixture(scope="module")
def service(migrated: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Continuing]:
    with Database(migrated) as database, _service(database, tmp_path_factory.mktemp("continuing")) as made:
        yield made


def test_an_aborted_job_is_gone_on_with(service: Continuing) -> None:
    """Again and again, in another format, with another number of rows, and after the first one was destroyed."""
    first = service.aborted(RUNID="mine")
    assert service.stored() == len(SENT) + sum(file.stat().st_size for file in service.kept(first).glob("1/*"))
    page = ask(service.port, first, headers={"Accept": "text/html"}).text
    assert f'<button name="CONTINUE" value="{id_of(first)}">' in page
    whole, cut = service.go_on(first), service.go_on(first, RESPONSEFORMAT="parquet", MAXREC="2500", RUNID="other")
    assert service.numbers(whole) == list(range(ROWS))
    assert set(re.findall(r'name="resumed_at">(\d+)<', service.document(whole))) <= STATES
    assert ended(service.port, cut) == "COMPLETED"
    table = pq.read_table(io.BytesIO(ask(service.port, f"{cut}/results/result").body))
    assert table.column("number").to_pylist() == list(range(2500))
    assert dict(job_parameters(service.port, cut)) == {
        "MODE": "resume", "ROWS": str(ROWS), "SECONDS": "5", "RESPONSEFORMAT": "parquet", "MAXREC": "2500",
        "RUNID": "other", "CONTINUE": id_of(first),
    }  # fmt: skip
    assert phase(service.port, first) == "ABORTED"
    pending = location(post(service.port, JOBS, CONTINUE=id_of(first)))
    delete(service.port, first)
    assert not service.kept(first).exists()
    [sent] = service.tasks.jobs("resumable").get(OPERATOR, id_of(pending)).inputs
    assert (service.folder / sent.path).read_bytes() == SENT
    run(service.port, pending)
    wait_until(lambda: service.kept(pending).joinpath("1").exists(), "it keeps more rows")
    abort(service.port, pending)
    assert service.numbers(service.go_on(pending, RESPONSEFORMAT="csv")) == list(range(ROWS))


def test_a_job_that_ran_out_of_its_time_is_gone_on_with(service: Continuing) -> None:
    job = service.create()
    post(service.port, f"{job}/executionduration", EXECUTIONDURATION="3")
    run(service.port, job)
    assert ended(service.port, job) == "ABORTED"
    assert "longer than the 3 s" in service.document(job)
    more = service.go_on(job, EXECUTIONDURATION="60")
    assert ask(service.port, f"{more}/executionduration").text == "60"
    assert service.numbers(more) == list(range(ROWS))


def test_rows_that_are_not_whole_or_do_not_fit_are_made_again(service: Continuing) -> None:
    torn, dropped = service.aborted(), service.aborted(TARGET="drop")
    [first, *_] = sorted(service.kept(torn).glob("1/*"))
    first.write_bytes(first.read_bytes()[:-300])
    for again in [service.go_on(torn), service.go_on(dropped)]:
        assert service.numbers(again) == list(range(ROWS))
        assert 'name="resumed_at">0<' in service.document(again)
        assert "attempt>2<" not in service.document(again)


def test_what_is_kept_of_a_job_that_was_given_up_counts(service: Continuing) -> None:
    """As its worker does not say so, whoever takes its leases over does."""
    job = service.aborted()
    count = "SELECT stored_bytes FROM uws.jobs WHERE job_id = :job_id"
    before = service.database.value(count, job_id=id_of(job))
    assert before > 0
    service.database.run("UPDATE uws.jobs SET stored_bytes = 0 WHERE job_id = :job_id", job_id=id_of(job))
    Cleaner(service.database.engine, FileStore(service.folder), archive_time=0).discard(id_of(job), 1)
    assert service.database.value(count, job_id=id_of(job)) == before


def test_it_is_described(service: Continuing) -> None:
    paths = json.loads(ask(service.port, "/openapi.json").body)["paths"]
    for task, described in (("resumable", True), ("misbehave", False)):
        content = paths[f"/tasks/{task}/async"]["post"]["requestBody"]["content"]
        properties = content["application/x-www-form-urlencoded"]["schema"]["properties"]
        assert ("CONTINUE" in properties) is described


def test_what_cannot_be_gone_on_with(service: Continuing) -> None:
    job = service.halfway()
    refused(post(service.port, JOBS, CONTINUE=id_of(job)), 400, "CONTINUE", "is EXECUTING")
    abort(service.port, job)
    refused(post(service.port, JOBS, CONTINUE=id_of(job), ROWS="5"), 400, "ROWS", "has the parameters")
    refused(post(service.port, "/tasks/misbehave/async", CONTINUE=id_of(job)), 400, "keep nothing")
    assert ask(service.port, f"/tasks/resumable/sync?CONTINUE={id_of(job)}").status == 400
    failed = service.create(MODE="service-error", PHASE="RUN")
    assert ended(service.port, failed) == "ERROR"
    refused(post(service.port, JOBS, CONTINUE=id_of(failed)), 400, "has kept nothing")
    pending = location(post(service.port, JOBS, CONTINUE=id_of(job)))
    refused(post(service.port, f"{pending}/parameters", ROWS="5"), 400, "has the parameters")
    refused(post(service.port, f"{service.create()}/parameters", CONTINUE=id_of(job)), 400, "only a new job")
    refused(post(service.port, JOBS, CONTINUE="nowhere"), 404, "no job")
    service.database.run("UPDATE uws.jobs SET owner = 'user:a' WHERE job_id = :job_id", job_id=id_of(job))
    with pytest.raises(ForbiddenError, match="somebody else"):
        service.tasks.jobs("resumable").create(Caller(identity="user:b"), Parameters([("CONTINUE", id_of(job))]))
    with pytest.raises(ForbiddenError):
        service.tasks.jobs("resumable").create(Caller(identity=None), Parameters([("CONTINUE", id_of(job))]))
