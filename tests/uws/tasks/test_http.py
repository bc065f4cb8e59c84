"""Tasks over HTTP: what they tell of themselves, synchronous runs, jobs, estimates."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.conftest import wait_until
from tests.tap.asking import FORM, LEAK, TEXT_TYPE, VOTABLE_TYPE, Answer, ask, assert_error
from tests.uws.asking import abort, ended, location, phase, post, value
from tests.uws.database import Database
from tests.uws.tasks.serving import (
    JOBS,
    PNG,
    POSITIONS,
    QUERY,
    TASK,
    Shifting,
    create,
    send,
    serving,
    task_settings,
)
from tests.uws.working import working

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
ASKED = {"QUERY": QUERY, "ROUNDS": "3"}
SYNC = f"{TASK}/sync"
OF_PROGRESS = "{urn:vo-stack:progress}"


def sync(port: int, **parameters: str) -> Answer:
    return post(port, SYNC, {**ASKED, **parameters})


def no_jobs(database: Database) -> bool:
    return not database.run("SELECT FROM uws.jobs")


def test_the_list_is_a_page_for_browsers_and_json_for_programs(port: int) -> None:
    for headers in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        answer = ask(port, "/tasks", headers=headers)
        assert answer.type == "application/json"
        [task] = json.loads(answer.body)["tasks"]
        assert (task["name"], task["title"], task["summary"]) == ("shift", "Move positions", "Moves each position.")
    for target, headers in (("/tasks", BROWSER), ("/tasks?responseformat=html", {})):
        page = ask(port, target, headers=headers)
        assert page.type == "text/html; charset=utf-8"
        assert 'href="tasks/shift"' in page.text
        assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert ask(port, "/tasks?RESPONSEFORMAT=json", headers=BROWSER).type == "application/json"
    for place in ("url", "sync", "jobs", "estimate", "capabilities", "examples"):
        path = "/" + task[place].split("/", 3)[3]
        assert ask(port, f"{path}?{urlencode(ASKED)}").status == 200


def test_a_task_is_described_completely(port: int) -> None:
    task = json.loads(ask(port, TASK).body)
    parameters = {each["name"]: each for each in task["parameters"]}
    assert list(parameters) == ["BY", "MODE", "BANDS", "ROUNDS", "STRICT", "LIMIT"]
    by = parameters["BY"]
    assert (by["datatype"], by["unit"], by["default"], by["ucd"]) == ("double", "arcsec", "1.5", "pos.angDistance")
    assert (by["exclusive_minimum"], by["minimum"], by["maximum"], by["examples"]) == (0, None, 3600, ["2"])
    assert (parameters["ROUNDS"]["required"], parameters["ROUNDS"]["default"]) == (True, None)
    assert parameters["BANDS"]["repeated"]
    assert parameters["MODE"]["choices"] == ["north", "south"]
    [wanted] = task["inputs"]
    assert (wanted["query"], wanted["table"], wanted["title"]) == ("QUERY", "TABLE", "table")
    assert [role["parameter"] for role in wanted["columns"]] == ["RA", "DEC", "PMRA", "ID"]
    assert wanted["columns"][2]["unit"] == "mas.yr**-1"
    assert [(each["name"], each["media_type"]) for each in task["outputs"]] == [
        ("result", None),
        ("refused", None),
        ("map.png", "image/png"),
    ]
    assert task["outputs"][0]["columns"][0]["unit"] == "deg"
    assert [each["name"] for each in task["of_all_tasks"]] == [
        *("UPLOAD", "MAXREC", "RESPONSEFORMAT", "RESULTS", "RUNID"),
    ]
    assert task["sample_parameters"] == [{"TABLE": "gaia_dr3.bright", "ROUNDS": "3"}]


@pytest.mark.parametrize("end", ["", "/sync", "/async", "/async/x", "/async/x/phase", "/estimate", "/capabilities"])
def test_there_is_no_such_task(port: int, end: str) -> None:
    answer = ask(port, f"/tasks/schift{end}")
    assert answer.status == 404
    assert "There is no task 'schift'." in (told := answer.text)
    assert "The tasks are shift." in told
    assert answer.type == (TEXT_TYPE if end not in ("", "/sync") else "application/json" if not end else VOTABLE_TYPE)
    page = ask(port, f"/tasks/schift{end}", headers=BROWSER)
    assert (page.status, page.type) == (404, TEXT_TYPE)


@pytest.mark.parametrize(
    ("method", "end", "status", "phrase"),
    [
        ("DELETE", "/sync", 405, "GET, HEAD, POST"),
        ("GET", "/sync?BY=%ff", 400, "UTF-8"),
        ("PUT", "", 405, "GET, HEAD, POST"),
        ("POST", "/capabilities", 405, "GET, HEAD"),
        ("GET", "/async?LAST=-1", 400, "LAST"),
        ("GET", "/async/none", 404, "none"),
        ("GET", "/async/none/results/result", 404, "none"),
        ("PUT", "/async/none", 405, "DELETE, GET, HEAD, POST"),
        ("GET", "/nothing", 404, "/tasks/shift/nothing"),
    ],
)
def test_errors_have_one_shape(port: int, method: str, end: str, status: int, phrase: str) -> None:
    answer = ask(port, TASK + end, method=method)
    assert_error(answer, status, phrase, media_type=VOTABLE_TYPE if end.startswith("/sync") else TEXT_TYPE)


@pytest.mark.parametrize("method", ["GET", "POST", "multipart"])
def test_a_synchronous_run(port: int, database: Database, shifting: Shifting, method: str) -> None:
    asked = {"query": QUERY, "Rounds": "3", "BANDS": "g,bp", "runid": "mine"}
    if method == "GET":
        answer = ask(port, f"{SYNC}?{urlencode(asked)}")
    elif method == "POST":
        answer = post(port, SYNC, asked)
    else:
        del asked["query"]
        answer = send(port, SYNC, {**asked, "UPLOAD": "t,param:file"}, file=("stars.csv", POSITIONS))
    assert (answer.status, answer.body) == (200, b"ra\n10.6\n"), answer.text
    assert answer.type == "text/csv;header=present"
    assert answer.headers["Content-Disposition"] == 'inline; filename="moved.csv"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Accept-Ranges"] is None
    wait_until(lambda: no_jobs(database), "the job is deleted")
    [job] = shifting.jobs
    assert ("ROUNDS", "3") in job.parameters
    assert (job.run_id, job.execution_duration) == ("mine", 600)
    assert shifting.inputs == [{"file": POSITIONS} if method == "multipart" else {}]


def test_head_and_ranges_of_a_synchronous_run(port: int) -> None:
    target = f"{SYNC}?{urlencode(ASKED)}"
    head = ask(port, target, method="HEAD")
    assert (head.status, head.headers["Content-Length"], head.body) == (200, "8", b"")
    assert ask(port, target, headers={"Range": "bytes=0-1"}).status == 200


@pytest.mark.parametrize(
    ("changes", "phrases"),
    [
        ({"ROUNDS": "0"}, ("ROUNDS: '0'", "at least 1")),
        ({"ROUNDS": ""}, ("ROUNDS: is missing",)),
        ({"by": "10m"}, ("BY: '10m'", "in arcsec")),
        ({"radius": "1"}, ("RADIUS: the task shift has no such parameter", "It has BY, MODE, BANDS, ROUNDS")),
        ({"MODE": "up"}, ("MODE: 'up' cannot be chosen", "north, south")),
        ({"TABLE": "a.b"}, ("QUERY: TABLE is given too",)),
        ({"QUERY": ""}, ("QUERY: nothing says what the table is",)),
        ({"MAXREC": "-1"}, ("MAXREC: '-1'",)),
        ({"RESPONSEFORMAT": "docx"}, ("docx",)),
    ],
)
def test_what_is_wrong_is_named_at_once(
    port: int, database: Database, changes: dict[str, str], phrases: tuple[str, ...]
) -> None:
    assert_error(sync(port, **changes), 400, *phrases)
    assert no_jobs(database)
    estimate = post(port, f"{TASK}/estimate", {**ASKED, **changes})
    assert (estimate.status, estimate.type) == (400, "application/json")
    for phrase in phrases:
        assert phrase in json.loads(estimate.body)["error"]["text"]


def test_a_parameter_is_given_twice(port: int) -> None:
    assert_error(post(port, SYNC, [*ASKED.items(), ("BY", "1"), ("by", "2")]), 400, "BY: given 2 times")


def test_errors_come_in_the_form_that_was_asked_for(port: int, database: Database) -> None:
    for wrong, status in (({"ROUNDS": "x"}, 400), ({"RUNID": "fails"}, 400)):
        message = assert_error(sync(port, **wrong), status)
        assert assert_error(sync(port, RESPONSEFORMAT="csv", **wrong), status, media_type=TEXT_TYPE).strip() == message
        answer = sync(port, RESPONSEFORMAT="json", **wrong)
        assert (answer.status, answer.type) == (status, "application/json")
        error = json.loads(answer.body)["error"]
        assert error["text"] == message
        assert not LEAK.search(message)
    assert_error(sync(port, RUNID="bursts"), 500, "The service failed in a way that it should not.", "the job id")
    assert "there is no table <nowhere>.\nLook elsewhere." in assert_error(sync(port, RUNID="fails"), 400)
    wait_until(lambda: no_jobs(database), "the jobs are deleted")


def test_a_client_that_hangs_up_ends_its_run(port: int, database: Database, shifting: Shifting) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        query = urlencode({**ASKED, "RUNID": "endless"})
        connection.sendall(f"GET {SYNC}?{query} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        wait_until(lambda: shifting.jobs, "it runs")
    wait_until(lambda: no_jobs(database), "the job is stopped and deleted")


def test_the_run_is_aborted_or_deleted_by_its_owner(port: int, database: Database, shifting: Shifting) -> None:
    for ends, told in ((abort, "was aborted"), (lambda port, job: ask(port, job, method="DELETE"), "was deleted")):
        shifting.jobs.clear()
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(sync, port, RUNID="endless")
            wait_until(lambda: shifting.jobs, "it runs")
            ends(port, f"{JOBS}/{shifting.jobs[0].job_id}")
            assert_error(waiting.result(60), 400, told)
    wait_until(lambda: no_jobs(database), "the jobs are gone")


def test_it_takes_too_long(database: Database, tmp_path: Path, shifting: Shifting) -> None:
    settings = task_settings(database, tmp_path, sync_time=4, queue_time=3.0)
    with serving(settings) as port:
        late = sync(port)
        assert_error(late, 503, "No worker was free within 3 s.", f"{JOBS}, where it waits for its turn")
        assert late.headers["Retry-After"]
        wait_until(lambda: no_jobs(database), "the job is deleted")
        with working(database, tmp_path, shifting):
            assert_error(sync(port, RUNID="endless"), 400, "4 s that it may take here", JOBS)
            wait_until(lambda: no_jobs(database), "the job is deleted")


def test_who_waits_blocks_nobody(database: Database, tmp_path: Path) -> None:
    with serving(task_settings(database, tmp_path)) as port, ThreadPoolExecutor(150) as threads:
        waiting = [threads.submit(sync, port) for _ in range(150)]
        wait_until(lambda: database.value("SELECT count(*) FROM uws.jobs WHERE phase = 'QUEUED'") == 150, "all wait")
        for _ in range(20):  # while nothing of those can be done
            assert ask(port, "/tasks").status == 200
        with working(database, tmp_path, Shifting(), slots=16):
            assert {each.result(60).status for each in waiting} == {200}
        wait_until(lambda: no_jobs(database), "the jobs are deleted")


def test_a_service_that_ends_tells_who_waits(database: Database, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as threads:
        with serving(task_settings(database, tmp_path)) as port:
            waiting = threads.submit(sync, port)
            wait_until(lambda: not no_jobs(database), "it waits")
        assert_error(waiting.result(60), 503, "about to end")
    assert no_jobs(database)


def test_a_job(port: int, database: Database) -> None:
    job = create(port, UPLOAD="")
    assert value(ask(port, job).xml(), "phase") == "PENDING"
    assert post(port, f"{job}/phase", PHASE="RUN").status == 303
    assert ended(port, job) == "COMPLETED"
    document = ask(port, job).xml()
    results = document.findall(".//{*}result")
    assert [(each.get("id"), each.get("mime-type")) for each in results] == [
        ("map.png", "image/png"),
        ("result", "text/csv;header=present"),
        ("refused", "text/csv;header=present"),
    ]
    told = {child.tag: child.text for child in document.iter() if str(child.tag).startswith(OF_PROGRESS)}
    assert (told[f"{OF_PROGRESS}requested"], told[f"{OF_PROGRESS}found"]) == ("3", "2")
    assert [each.get("reason") for each in document.iter(f"{OF_PROGRESS}failed")] == ["no <position>"]
    assert ask(port, f"{job}/results/map.png").body == PNG
    assert ask(port, f"{job}/results/map.png").type == "image/png"
    listed = ask(port, JOBS).xml()
    assert [each.get("id") for each in listed] == [job.rpartition("/")[2]]
    assert not list(ask(port, "/tap/async").xml())  # each service has a list of its own
    assert ask(port, f"/tap/async/{job.rpartition('/')[2]}").status == 404


def test_a_job_tells_before_it_runs_why_it_cannot(port: int) -> None:
    job = create(port, QUERY="SELECT raa FROM tap_schema.columns")
    plan = ask(port, job).xml().find(f".//{OF_PROGRESS}plan")
    assert plan is not None
    assert "As it stands it cannot run. QUERY: " in (plan.text or "")
    assert phase(port, job) == "PENDING"


def test_an_estimate(port: int, database: Database) -> None:
    for answer in (
        ask(port, f"{TASK}/estimate?{urlencode(ASKED)}"),
        post(port, f"{TASK}/estimate", {**ASKED, "RESPONSEFORMAT": "csv"}),
    ):
        assert (answer.status, answer.type) == (200, "application/json"), answer.text
        told = json.loads(answer.body)
        [source] = told["inputs"]
        assert source["columns"] == {"RA": "ra", "DEC": "dec"}
        assert set(told) == {"seconds", "rows", "plan", "inputs"}
    sent = send(port, f"{TASK}/estimate", {"ROUNDS": "1", "UPLOAD": "t,param:f"}, f=("stars.csv", POSITIONS))
    assert json.loads(sent.body)["inputs"][0]["columns"]["RA"] == "ra"
    lost = post(port, f"{TASK}/estimate", {**ASKED, "RA": "alpha"})
    assert "RA: there is no column 'alpha'." in json.loads(lost.body)["error"]["message"]
    assert no_jobs(database)


@pytest.mark.parametrize("call", [lambda port: ask(port, SYNC, method="DELETE"), lambda port: post(port, "/tasks")])
def test_other_methods(port: int, call: Callable[[int], Answer]) -> None:
    answer = call(port)
    assert answer.status == 405
    assert answer.headers["Allow"]


def test_the_form_makes_a_job(port: int, shifting: Shifting) -> None:
    form = {
        "ACTION": "run",
        "TABLE": "",
        "QUERY": QUERY.replace(" FROM", "\r\nFROM"),
        "ROUNDS": "2",
        "BY": "",
        "RA": "",
    }
    answer = ask(port, TASK, method="POST", body=urlencode(form).encode(), headers={**FORM, **BROWSER})
    assert answer.status == 303, answer.text
    assert answer.headers["Location"].startswith("shift/async/")  # a relative one passes any proxy
    job = f"/tasks/{answer.headers['Location']}"
    assert ended(port, job) == "COMPLETED"
    assert shifting.jobs[0].parameters == [("QUERY", QUERY.replace(" FROM", "\nFROM")), ("ROUNDS", "2")]


def test_the_form_takes_a_file(port: int, shifting: Shifting) -> None:
    form = {"ACTION": "run", "TABLE": "", "QUERY": "", "ROUNDS": "2"}
    answer = send(port, TASK, form, mytable=("my stars.csv", POSITIONS))
    assert answer.status == 303, answer.text
    assert ended(port, f"/tasks/{answer.headers['Location']}") == "COMPLETED"
    assert dict(shifting.jobs[0].parameters) == {
        "ROUNDS": "2",
        "UPLOAD": "mytable,param:mytable",
        "TABLE": "TAP_UPLOAD.mytable",
    }
    assert shifting.inputs == [{"mytable": POSITIONS}]
    both = send(port, TASK, {**form, "TABLE": "tap_schema.columns"}, mytable=("stars.csv", POSITIONS))
    assert both.status == 400
    assert "TABLE: a file is given too." in both.text
    none = send(port, TASK, {**form, "ACTION": "estimate"}, mytable=("", b""))
    assert none.status == 400
    assert "nothing says what the table is" in none.text


def test_a_job_cannot_be_made_by_a_link(port: int, database: Database) -> None:
    page = ask(port, f"{TASK}?{urlencode({**ASKED, 'ACTION': 'run'})}", headers=BROWSER)
    assert page.status == 200
    assert no_jobs(database)


def test_requests_that_are_refused_leave_nothing(port: int, database: Database) -> None:
    assert location(post(port, JOBS, ASKED)).startswith(JOBS)
    database.run("TRUNCATE uws.jobs")
    assert_error(sync(port, PHASE="RUN", RESPONSEFORMAT="x/y"), 400)
    assert no_jobs(database)
