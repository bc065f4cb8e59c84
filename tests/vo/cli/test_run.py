"""``vo run``: as a job of the service, of a service elsewhere, and in the command's own process."""

from __future__ import annotations

import json
import re
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from astropy.table import Table

from tests.conftest import Service, make_home
from tests.tap.asking import eventually
from tests.vo.cli.test_jobs import begin, in_terminal, listed
from tests.vo.cli.test_query import plain

PLUGIN = Path(__file__).resolve().parents[2] / "plugin"
SITE = "https://there.example.org/gost"
NUMBERS = "number,value,text\n0,0,row 0\n1,0.5,row 1\n2,1,row 2\n"
WHERE = pytest.mark.parametrize("where", ["job", "elsewhere", "local"])


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """A service with the tasks of another distribution."""
    network = {"VO_TASK_NETWORK": '["pointing"]', "VO_TASK_SITES": json.dumps({"there": SITE})}
    running = Service(make_home(), prepare=False, PYTHONPATH=str(PLUGIN), VO_PROCESSES="1", **network)
    running.start()
    yield running
    running.stop()
    shutil.rmtree(running.home, ignore_errors=True)


def options(service: Service, where: str) -> list[str]:
    return {"job": [], "elsewhere": ["--url", service.url], "local": ["--local"]}[where]


def processes(service: Service) -> list[str]:
    """Command lines of the processes that know the service's data folder, and of tasks."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"VO_HOME={service.home}".encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:  # it has just ended
            pass
    return found


def scratch(service: Service) -> list[str]:
    return [path.name for path in (service.home / "scratch").iterdir()]


@WHERE
def test_in_a_pipe_it_is_csv_and_nothing_is_left(service: Service, where: str) -> None:
    done = service.vo("run", "misbehave", "rows=3", *options(service, where))
    assert done.stdout == NUMBERS
    assert [job for job in listed(service, "--all") if job["phase"] == "COMPLETED"] == []
    assert eventually(lambda: scratch(service) == [])


def test_whoever_stops_reading_leaves_nothing_behind(service: Service) -> None:
    running = begin(service, "run", "misbehave", "rows=300000", "RUNID=half-read")
    assert running.stdout is not None
    assert running.stdout.readline() == "number,value,text\n"
    running.stdout.close()
    assert running.stderr is not None
    assert "Traceback" not in running.stderr.read()
    running.stderr.close()
    running.wait(60)
    assert "half-read" not in [job["run_id"] for job in listed(service, "--all")]


@WHERE
def test_files_and_their_formats(service: Service, where: str, tmp_path: Path) -> None:
    words = ["run", "misbehave", "MODE=file", *options(service, where)]
    service.vo(*words, "-o", str(tmp_path / "a.fits"))
    assert list(Table.read(tmp_path / "a.fits")["text"]) == ["row 0"]
    assert (tmp_path / "a-diary.txt").read_text() == "a day like any other"
    again = service.vo(*words, "-o", str(tmp_path / "a.fits"), check=False)
    assert (again.returncode, "is there already" in again.stderr) == (1, True)
    service.vo(*words, "--format", "tsv", "-o", f"{tmp_path}/all/")
    assert {path.name for path in (tmp_path / "all").iterdir()} == {"misbehave.tsv", "misbehave-diary.txt"}


@WHERE
def test_a_result_that_cannot_be_written_is_not_lost(service: Service, where: str) -> None:
    words = ["run", "misbehave", "rows=3", "-o", "/dev/full", "--force", *options(service, where)]
    failed = service.vo(*words, check=False)
    assert (failed.returncode, "/dev/full cannot be written: No space left" in failed.stderr) == (1, True)
    assert Path("/dev/full").is_char_device()
    back = re.findall(r"The run is not lost: (.+)", failed.stderr)
    assert len(back) == (where != "local")
    if where == "job":
        job = back[0].rpartition(" ")[2]
        assert service.vo("jobs", "fetch", job, "-o", "-").stdout
        service.vo("jobs", "delete", job)


@WHERE
def test_uploads(service: Service, where: str, tmp_path: Path) -> None:
    Table({"flux": [1.0, 2.0, 6.0], "name": ["a", "b", "c"]}).write(tmp_path / "stars.fits")
    sent = ["--upload", f"stars={tmp_path / 'stars.fits'}", *options(service, where)]
    assert service.vo("run", "column-statistics", *sent).stdout.splitlines()[1] == "flux,,3,0,1,6,3"
    query = "QUERY=SELECT flux * 2 AS twice FROM TAP_UPLOAD.stars WHERE flux > 1"
    assert service.vo("run", "column-statistics", query, *sent).stdout.splitlines()[1] == "twice,,2,0,4,12,8"


@WHERE
def test_what_a_task_says_against_it(service: Service, where: str, tmp_path: Path) -> None:
    output = ["-o", str(tmp_path / "a.csv"), *options(service, where)]
    failed = service.vo("run", "column-statistics", "TABLE=tap_schema.nothing", *output, check=False)
    assert failed.returncode == 1
    assert "TABLE: There is no table tap_schema.nothing" in failed.stderr
    assert list(tmp_path.iterdir()) == []
    bug = service.vo("run", "misbehave", "MODE=raise", *options(service, where), check=False)
    assert (bug.returncode, bug.stdout, "ERROR after" in bug.stderr) == (1, "", True)
    assert "Traceback" not in bug.stderr


@WHERE
def test_what_was_made_before_a_failure(service: Service, where: str, tmp_path: Path) -> None:
    words = ["run", "misbehave", "MODE=partial", "ROWS=6", *options(service, where)]
    done = service.vo(*words, "-o", str(tmp_path / "a.csv"), check=False)
    assert (done.returncode, "Half of it is enough." in done.stderr) == (1, True)
    assert (tmp_path / "a.csv").read_text().startswith(NUMBERS)
    piped = service.vo(*words, check=False)
    assert (piped.returncode, piped.stdout) == (1, "")
    if where == "job":
        [word] = re.findall(r"vo jobs fetch (\w+) saves it", piped.stderr)
        assert service.vo("jobs", "fetch", word, "-o", "-").stdout.startswith(NUMBERS)
    else:
        assert ("What it made before is kept" in piped.stderr) == (where == "elsewhere")


@WHERE
def test_ctrl_c_stops_it(service: Service, where: str) -> None:
    seconds = "4321"
    running = begin(service, "run", "misbehave", "MODE=spin", f"SECONDS={seconds}", *options(service, where))
    if where == "local":
        eventually(lambda: scratch(service), 60)
    else:
        eventually(lambda: [job for job in listed(service, "--phase", "EXECUTING") if seconds in job["query"]], 60)
    assert running.stderr is not None
    assert "EXECUTING" in running.stderr.readline()
    running.send_signal(signal.SIGINT)
    asked = time.monotonic()
    _, told = running.communicate(timeout=60)
    assert (running.returncode, told.splitlines()[-1]) == (130, "Stopped.")
    assert time.monotonic() - asked < 15
    assert listed(service, "--phase", "EXECUTING") == []
    if where == "local":
        assert not [line for line in processes(service) if "run misbehave" in line]
        assert eventually(lambda: scratch(service) == [])


def test_in_a_terminal_it_is_a_table_with_progress(service: Service) -> None:
    shown = in_terminal(service, 100, "run", "misbehave", "MODE=progress", "ROWS=4", "SECONDS=3")
    assert "step 4" in shown
    assert "100%" in shown
    assert "2 of 4 found, 2 failed" in shown
    lines = plain(shown).splitlines()
    assert lines[0].split() == ["number", "value", "text"]
    assert lines[2].split() == ["0", "0", "row", "0"]
    assert lines[3].startswith("1 row, ")
    assert lines[4:] == ["2 failed: odd", "2 of 4 found"]


def test_leaving_it_alone(service: Service) -> None:
    for where, back in (("job", "vo jobs follow (.*)"), ("elsewhere", f"{service.url}/tasks/misbehave/async/(.*)")):
        done = service.vo("run", "misbehave", "ROWS=3", "--detach", *options(service, where))
        found = re.fullmatch(back, done.stdout.strip())
        assert found is not None
        assert service.vo("jobs", "follow", found[1]).returncode == 0
        assert service.vo("jobs", "fetch", found[1], "-o", "-").stdout == NUMBERS
        service.vo("jobs", "delete", found[1])


def test_an_estimate_runs_nothing(service: Service) -> None:
    for where in ("job", "elsewhere"):
        done = service.vo("run", "misbehave", "MODE=sleep", "SECONDS=50", "--estimate", *options(service, where))
        assert done.stdout == "about 50.0 s\nNothing good.\n"
    assert [job for job in listed(service, "--all") if "SECONDS=50" in job["query"]] == []


def test_what_is_wrong_is_told_before_anything_is_sent(service: Service) -> None:
    before = len(listed(service, "--all"))
    for words, told in (
        (["misbehave", "ROWZ=3"], "the task misbehave has no such parameter"),
        (["misbehave", "ROWS=-3"], "ROWS: '-3': input should be greater than or equal to 0"),
        (["misbehave", "rows"], "'rows' is not PARAMETER=VALUE."),
        (["nothing"], "There is no task 'nothing'."),
        (["misbehave", "-o", "/nowhere/a.fits"], "/nowhere is no folder that may be written to"),
        (["misbehave", "--local", "--detach"], "--local cannot go with --detach."),
        (["misbehave", "--url", "ftp://example.org"], "is not the address of a service"),
        (["misbehave", "--url", "http://127.0.0.1:9"], "127.0.0.1:9 cannot be asked"),
    ):
        done = service.vo("run", *words, check=False)
        assert (done.returncode, told in done.stderr) == (1, True), done.stderr
    assert len(listed(service, "--all")) == before


def test_without_a_worker_it_runs_in_the_command(service: Service) -> None:
    [worker] = [line.split("\t")[0] for line in service.vo("jobs", "workers").stdout.splitlines()[1:]]
    service.vo("jobs", "drain", worker)
    try:
        done = service.vo("run", "misbehave", "rows=3")
    finally:
        service.vo("jobs", "drain", worker, "--undo")
    assert done.stdout == NUMBERS
    assert "No worker takes jobs: the task runs in this process." in done.stderr


def test_tasks_are_listed_and_described_here_and_elsewhere(service: Service) -> None:
    lines = service.vo("tasks").stdout.splitlines()
    assert "misbehave\tRows and trouble" in lines
    assert service.vo("run").stdout.splitlines() == lines
    assert service.vo("tasks", "list", "--url", f"{service.url}/tasks").stdout.splitlines() == lines
    text = service.vo("tasks", "show", "crossmatch").stdout
    assert text == service.vo("tasks", "show", "crossmatch", "--url", service.url).stdout
    for words in ("RADIUS", "PMRA_1", "QUERY_2=ADQL", "best-symmetric", "separation [arcsec]", "vo run crossmatch"):
        assert words in text
    assert "crossmatch" in plain(in_terminal(service, 80, "run"))


def test_doctor_tells_of_tasks(service: Service, tmp_path: Path) -> None:
    told = service.vo("doctor").stderr
    assert re.search(r"✓ tasks: .*crossmatch.*misbehave", told)
    broken = make_home()
    (broken / "torn-1.dist-info").mkdir()
    (broken / "torn-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: torn\nVersion: 1\n")
    (broken / "torn-1.dist-info" / "entry_points.txt").write_text("[vo.tasks]\ntorn = torn_tasks:Torn\n")
    changed = Service(service.home, prepare=False, VO_PORT=str(service.port), PYTHONPATH=f"{PLUGIN}:{broken}")
    wrong = changed.vo("doctor", check=False)
    assert wrong.returncode == 1
    assert "✗ the task torn cannot be served: ModuleNotFoundError: No module named 'torn_tasks'" in wrong.stderr
    shutil.rmtree(broken)
    assert json.loads((service.home / "log" / "vo.log").read_text().splitlines()[0])


@WHERE
def test_a_position_instead_of_a_table(service: Service, where: str, tmp_path: Path) -> None:
    asked = ("run", "pointing", "TARGET=Proxima", "RA=14:29:42.9", "DEC=-62:40:46", *options(service, where))
    path = tmp_path / "seen.vot"
    service.vo(*asked, "-o", str(path))
    table = Table.read(path)
    assert [tuple(row) for row in table] == [(pytest.approx(217.42875), "result,sky.png", SITE)]
    text = path.read_text()
    for name, value in (("TARGET", "Proxima"), ("RA", "217.42875"), ("licence", "CC0")):
        assert re.search(f'<INFO name="{name}" value="{value}', text), text[:3000]
    assert (tmp_path / "seen-sky.png").read_bytes().startswith(b"\x89PNG")
    told = service.vo(*asked, "RESULTS=result", "-o", f"{tmp_path}/few/")
    assert "result.vot" in told.stderr or "pointing.vot" in told.stderr
    assert [file.suffix for file in (tmp_path / "few").iterdir()] == [".vot"]


def test_a_task_may_run_without_a_table_or_with_one(service: Service, tmp_path: Path) -> None:
    assert service.vo("run", "pointing", "RESULTS=result").stdout == f"ra,made,site\n0,result,{SITE}\n"
    stars = tmp_path / "stars.csv"
    stars.write_text("ra,dec\n1.5,2\n2.5,3\n")
    done = service.vo("run", "pointing", "RESULTS=result", "--upload", f"mine={stars}")
    assert done.stdout == f"ra,made,site\n1.5,result,{SITE}\n2.5,result,{SITE}\n"
    told = service.vo("run", "pointing", "TARGET=56.75 24.12", "--estimate").stdout
    assert "Looks at position 56.75 +24.12." in told
    refused = service.vo("run", "pointing", "TARGET=M 31", check=False)
    assert "'M 31' is a name that nobody knows here." in refused.stdout + refused.stderr


def test_a_synchronous_request_makes_one_result(service: Service) -> None:
    with urlopen(f"{service.url}/tasks/pointing/sync?TARGET=56.75+24.12&RESPONSEFORMAT=csv") as answer:
        assert answer.read().decode() == f"ra,made,site\n56.75,result,{SITE}\n"
    with urlopen(f"{service.url}/tasks/pointing/sync?TARGET=56.75+24.12&RESULTS=SKY.PNG") as answer:
        assert (answer.headers["Content-Type"], answer.read(4)) == ("image/png", b"\x89PNG")
    filled = Request(f"{service.url}/tasks/pointing?TARGET=x&RA=300&RESULTS=sky.png", headers={"Accept": "text/html"})
    with urlopen(filled) as answer:
        page = answer.read().decode()
    fields = {name: re.search(rf'id="{name}"[^>]* value="([^"]*)"', page) for name in ("TARGET", "RA", "DEC")}
    assert [found and found[1] for found in fields.values()] == ["x", "300", ""]
    assert len(re.findall('name="RA"', page)) == 1
    assert re.search(r'value="sky.png" checked', page)
