"""The list of jobs and its filters, scenario by scenario of UWS 1.1, section 2.2.2.1."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from lxml import html
from vo_models.uws import Jobs

from tests.conftest import Service
from tests.schema import faults
from tests.tap.asking import Answer, ask
from tests.uws.asking import JOBS, Reference, abort, create, ended, id_of, listed, phase, references, refused, value
from tests.uws.asking import document as job_document
from uws.models import Phase


@pytest.fixture(scope="module")
def jobs(service: Service) -> dict[str, str]:
    """Jobs in every phase that ends or lasts, by phase; created in this order."""
    made = {
        "COMPLETED": create(service, PHASE="RUN", RUNID="list & filters"),
        "ERROR": create(service, PHASE="RUN", QUERY="SELECT nothing FROM nowhere"),
        "ABORTED": create(service),
        "PENDING": create(service),
    }
    abort(service, made["ABORTED"])
    for wanted in ("COMPLETED", "ERROR"):
        assert ended(service, made[wanted]) == wanted
    return made


def created(service: Service, job: str) -> str:
    return value(job_document(service, job), "creationTime") or ""


def mine(found: list[Reference], jobs: dict[str, str]) -> list[str]:
    """The ids of these tests' jobs in a list, as it has them; others use the service too."""
    ours = {id_of(job) for job in jobs.values()}
    return [reference.id for reference in found if reference.id in ours]


def shown(answer: Answer) -> list[str]:
    """The ids of the jobs on a page."""
    return [id_of(str(link.attrib["href"])) for link in html.fromstring(answer.body).iterfind(".//table//a")]


def test_each_job_is_there_once_with_its_phase_owner_time_and_address(
    service: Service, jobs: dict[str, str], shared_folder: Path | None
) -> None:
    answer = ask(service, JOBS)
    assert answer.type == "text/xml; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert faults(answer.body, shared_folder) == []
    by_id = {reference.id: reference for reference in references(answer)}
    assert len(by_id) == len(references(answer))
    for wanted, job in jobs.items():
        reference = by_id[id_of(job)]
        assert reference.phase == wanted == phase(service, job)
        assert reference.href == f"{service.url}{job}"
        assert reference.owner is None
        assert reference.created == created(service, job)
    assert by_id[id_of(jobs["COMPLETED"])].run_id == "list & filters"
    assert by_id[id_of(jobs["ERROR"])].run_id is None
    read = Jobs.from_xml(answer.body)
    assert {item.job_id for item in read.jobref or []} == set(by_id)


def test_a_trailing_slash_and_an_encoded_one_lead_to_the_same_list(service: Service, jobs: dict[str, str]) -> None:
    for path in (f"{JOBS}/", "/tap%2Fasync", "/tap%2Fasync/"):
        assert len(references(ask(service, f"{path}?LAST=2"))) == 2


@pytest.mark.parametrize("wanted", Phase)
def test_filtered_by_one_phase(service: Service, jobs: dict[str, str], wanted: Phase) -> None:
    found = listed(service, PHASE=wanted)
    assert {reference.phase for reference in found} <= {wanted}
    assert mine(found, jobs) == ([id_of(jobs[wanted])] if wanted in jobs else [])


@pytest.mark.parametrize(
    "wanted",
    [
        ("PENDING", "ERROR"),
        ("COMPLETED", "ERROR"),
        ("ERROR", "ABORTED"),
        ("PENDING", "QUEUED", "EXECUTING"),
        ("EXECUTING", "COMPLETED", "ARCHIVED"),
        ("COMPLETED", "ERROR", "ABORTED"),
        ("COMPLETED", "COMPLETED"),
        ("HELD", "SUSPENDED", "UNKNOWN"),
    ],
)
def test_several_phases_mean_any_of_them(service: Service, jobs: dict[str, str], wanted: tuple[str, ...]) -> None:
    found = listed(service, [("PHASE", name) for name in wanted])
    assert {reference.phase for reference in found} <= set(wanted)
    assert set(mine(found, jobs)) == {id_of(job) for name, job in jobs.items() if name in wanted}


@pytest.mark.parametrize("last", [1, 2, 3, 120, 254, 3423])
def test_last_gives_the_newest_first(service: Service, jobs: dict[str, str], last: int) -> None:
    every = listed(service)
    found = listed(service, LAST=str(last))
    assert len(found) == min(last, len(every))
    times = [reference.created for reference in found]
    assert times == sorted(times, reverse=True)
    if last > len(every):
        assert mine(found, jobs) == [id_of(job) for job in reversed(jobs.values())]


def test_after_is_later_than_to_the_millisecond(service: Service, jobs: dict[str, str]) -> None:
    times = {name: created(service, job) for name, job in jobs.items()}
    assert len(set(times.values())) == len(times)
    for moment in (times["ERROR"], times["ERROR"].removesuffix("Z"), times["ERROR"].replace("Z", "+00:00")):
        found = listed(service, AFTER=moment)
        assert {reference.created > times["ERROR"] for reference in found} == {True}
        assert mine(found, jobs) == [id_of(jobs["PENDING"]), id_of(jobs["ABORTED"])]


def test_filters_work_together(service: Service, jobs: dict[str, str]) -> None:
    before = created(service, jobs["COMPLETED"])
    filters = [("AFTER", before), ("PHASE", "PENDING"), ("PHASE", "ABORTED"), ("PHASE", "COMPLETED")]
    newest = listed(service, [*filters, ("LAST", "1")])
    everything = listed(service, filters)
    assert mine(everything, jobs) == [id_of(jobs["PENDING"]), id_of(jobs["ABORTED"])]
    assert newest == everything[:1]
    # The filters come first, LAST counts what is left of them.
    found = listed(service, PHASE="ERROR", LAST="5")
    assert {reference.phase for reference in found} == {"ERROR"}
    assert id_of(jobs["ERROR"]) in [reference.id for reference in found]


@pytest.mark.parametrize(
    "moment",
    [
        "2015-10-26T09:15:35",
        "2015-10-26T09:15:35.123456789Z",
        "2015-10-26 09:00",
        "2015-10-26 00:00:30",
        "2015-10-26T09:00:00 00:00",  # a plus sign that was not percent-encoded
        "2015-10-26T09:00:00+00:00",
        "2015-10-26",
        "2015-10",
        "2015",
        "20151026",
        "0001-01-01",
        " 2015-10-26Z ",
    ],
)
def test_times_that_clients_write(service: Service, jobs: dict[str, str], moment: str) -> None:
    assert len(mine(listed(service, AFTER=moment), jobs)) == 4


def test_nothing_is_after_the_end_of_time(service: Service, jobs: dict[str, str]) -> None:
    assert listed(service, AFTER="9999-12-31T23:59:59.999999Z") == []
    assert listed(service, AFTER=f"{datetime.now().year + 2}") == []


@pytest.mark.parametrize(
    ("query", "phrase"),
    [
        ("PHASE=SUCCESS", "'SUCCESS' is not a phase"),
        ("PHASE=pendinggg", "The phases are PENDING, QUEUED"),
        ("PHASE=somenonsense", "is not a phase"),
        ("PHASE=1345", "is not a phase"),
        ("PHASE=", "'' is not a phase"),
        ("PHASE=PENDING,QUEUED", "is not a phase"),
        ("PHASE=PENDING&PHASE=nonsense", "is not a phase"),
        ("LAST=-1", "not an integer of at least 1"),
        ("LAST=-254", "not an integer of at least 1"),
        ("LAST=0", "not an integer of at least 1"),
        ("LAST=sometext", "not an integer of at least 1"),
        ("LAST=1.5", "not an integer of at least 1"),
        ("LAST=1e3", "not an integer of at least 1"),
        ("LAST=%C2%B2", "not an integer of at least 1"),
        pytest.param("LAST=" + "9" * 5000, "is too large", id="LAST-of-5000-digits"),
        ("LAST=1&LAST=2", "given 2 times"),
        ("AFTER=sometext", "Write it like 2026-01-31T23:59:59Z"),
        ("AFTER=2015-26-10", "is not a time in UTC"),
        ("AFTER=2015-10-26T09", "is not a time in UTC"),
        ("AFTER=2015-10-26T09:00+01:00", "is not a time in UTC"),
        ("AFTER=2015-10-26T09:00%2B01:00", "is not a time in UTC"),
        ("AFTER=2015-02-30", "is not a time in UTC"),
        ("AFTER=0000-01-01", "is not a time in UTC"),
        ("AFTER=2015-1026", "is not a time in UTC"),
        ("AFTER=2015T09:00", "is not a time in UTC"),
        ("AFTER=2015-10-26T25:00", "is not a time in UTC"),
        ("AFTER=%D9%A2%D9%A0%D9%A1%D9%A5", "is not a time in UTC"),  # 2015 in other digits
        ("AFTER=2015&AFTER=2016", "given 2 times"),
        ("AFTER=%00", "NUL"),
        ("PHASE=%FF", "UTF-8"),
    ],
)
def test_a_filter_that_cannot_be_read_is_refused(service: Service, query: str, phrase: str) -> None:
    refused(ask(service, f"{JOBS}?{query}"), 400, phrase)


def test_what_is_no_filter_changes_nothing(service: Service, jobs: dict[str, str]) -> None:
    for query in ("", "LAST=&AFTER=", "UNKNOWN=1&WAIT=5&BEFORE=x", "phase=PENDING&PHASE=pending"):
        assert id_of(jobs["PENDING"]) in [found.id for found in references(ask(service, f"{JOBS}?{query}"))]


def test_browsers_get_a_page_of_the_same_jobs_with_the_same_filters(service: Service, jobs: dict[str, str]) -> None:
    firefox = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
    answer = ask(service, f"{JOBS}?PHASE=PENDING", headers=firefox)
    assert answer.type == "text/html; charset=utf-8"
    assert "Accept" in answer.headers["Vary"]
    assert id_of(jobs["PENDING"]) in shown(answer)
    assert id_of(jobs["ERROR"]) not in shown(answer)
    assert ask(service, f"{JOBS}?PHASE=nonsense", headers=firefox).status == 400
    one_job = ask(service, jobs["ERROR"], headers=firefox)
    assert one_job.type == "text/html; charset=utf-8"
    assert "nowhere" in one_job.text
    for accept in ("*/*", "application/xml", "text/xml, text/html"):
        assert ask(service, JOBS, headers={"Accept": accept}).type == "text/xml; charset=utf-8"


def test_pages_for_people_lead_from_the_newest_to_the_oldest(service: Service, jobs: dict[str, str]) -> None:
    """BEFORE is exact: no job is shown twice and none is left out."""
    place = f"{created(service, jobs['ABORTED'])},{id_of(jobs['ABORTED'])}"
    answer = ask(service, f"{JOBS}?BEFORE={quote(place)}&LAST=2", headers={"Accept": "application/xhtml+xml,text/html"})
    every = [reference.id for reference in listed(service)]
    start = every.index(id_of(jobs["ABORTED"])) + 1
    assert shown(answer) == every[start : start + 2]
