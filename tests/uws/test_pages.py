"""Pages of jobs: what they say, what their forms send, what hostile parameters cannot do, and how wide they are."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import pytest
from lxml import etree, html

from tests.uws.samples import (
    ABORTED,
    ARCHIVED,
    COMPLETED,
    EXECUTING,
    FAILED,
    JOBS,
    LIST_URL,
    PENDING,
    QUERY,
    QUEUED,
    job_url,
    reference,
)
from uws.models import ErrorSummary, Job, Phase, Progress, Result
from uws.pages import JobPages, duration, size
from vo.core.pages import page_environment
from vo.core.settings import load_settings

HOSTILE = "\"'><script>alert(1)</script>{{ 7 * 7 }}&amp;\x00\x1b"

SHEET = '<link rel="stylesheet" href="http://127.0.0.1:8080/static/vo.css">'


@pytest.fixture(scope="module")
def pages() -> JobPages:
    return JobPages(page_environment(load_settings(port=8080, title="Stars & more"), "uws"))


def parse(text: str) -> html.HtmlElement:
    etree.HTML(text, etree.HTMLParser(recover=False))
    document = html.fromstring(text)
    assert not document.xpath("//script")
    return document


def job_page(pages: JobPages, job: Job) -> html.HtmlElement:
    return parse(pages.job(job, job_url(job), LIST_URL, "Queries"))


def words(document: html.HtmlElement) -> str:
    return " ".join(document.text_content().split())


def buttons(document: html.HtmlElement) -> dict[str, tuple[str, str, str]]:
    """Return what each button sends: to which address, which parameter, which value."""
    found = {}
    for form in document.forms:
        assert form.method == "POST"
        [button] = form.xpath(".//button")
        [field] = form.xpath(".//*[@name]")
        value = field.get("value") or field.xpath("./option/@value")[0]
        found[button.text] = (str(form.action).removeprefix(LIST_URL), field.get("name"), value)
    return found


def now() -> datetime:
    return datetime.now(UTC)


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (PENDING, {"Run", "Abort", "Keep longer", "Delete"}),
        (QUEUED, {"Abort", "Delete"}),
        (EXECUTING, {"Abort", "Delete"}),
        (replace(EXECUTING, abort_asked=True), {"Delete"}),
        (COMPLETED, {"Keep longer", "Delete"}),
        (FAILED, {"Keep longer", "Delete"}),
        (ABORTED, {"Keep longer", "Delete"}),
        (ARCHIVED, {"Delete"}),
    ],
)
def test_what_can_be_done(pages: JobPages, job: Job, expected: set[str]) -> None:
    place = f"/{job.job_id}"
    sent = buttons(job_page(pages, job))
    assert set(sent) == expected
    assert sent["Delete"] == (place, "ACTION", "DELETE")
    assert sent.get("Run", (f"{place}/phase", "PHASE", "RUN")) == (f"{place}/phase", "PHASE", "RUN")
    assert sent.get("Abort", (f"{place}/phase", "PHASE", "ABORT")) == (f"{place}/phase", "PHASE", "ABORT")
    if "Keep longer" in sent:
        assert sent["Keep longer"] == (f"{place}/destruction", "DESTRUCTION", "2026-01-09T00:00:00.000Z")


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.phase)
def test_only_jobs_that_move_load_again(pages: JobPages, job: Job) -> None:
    document = job_page(pages, job)
    assert document.xpath("//meta[@http-equiv='refresh']/@content") == ["1"] * (job in (QUEUED, EXECUTING))
    assert document.xpath("//h1/span/text()") == [job.phase.value]
    assert document.xpath("//dd/pre/text()") == ["ADQL", QUERY, "votable"]


def test_a_running_job_tells_how_far_it_is(pages: JobPages) -> None:
    document = job_page(pages, replace(EXECUTING, started=now() - timedelta(seconds=125)))
    for text in ("since 2 min 5 s", "attempt 2", "writing the result", "25 %", "1,234,567 rows, 94.2 MiB so far"):
        assert text in words(document)
    assert document.xpath("//progress/@value") == ["0.25"]
    unknown = job_page(pages, replace(EXECUTING, progress=Progress(rows=0)))
    assert "0 rows so far" in words(unknown)
    assert not unknown.xpath("//progress")


def test_a_completed_job_gives_its_results(pages: JobPages) -> None:
    document = job_page(pages, COMPLETED)
    [link] = document.xpath("//a[@download]")
    assert (link.get("href"), link.get("download")) == (f"{job_url(COMPLETED)}/results/result", "result.vot")
    for text in ("nightly", "owner: vera", "117.7 MiB", "2026-01-01 00:01:03", "waited 1.5 s", "ran 1 min 1 s"):
        assert text in words(document)
    assert "so far" not in words(document)


def test_a_failed_job_tells_why(pages: JobPages) -> None:
    document = job_page(pages, FAILED)
    assert FAILED.error is not None
    assert document.xpath("//pre[@class='error']/text()") == [FAILED.error.message]
    assert "may succeed later" not in words(document)
    again = job_page(pages, replace(FAILED, error=replace(FAILED.error, type="transient")))
    assert "may succeed later" in words(again)


def test_the_time_left(pages: JobPages) -> None:
    left = timedelta(days=3, hours=4, minutes=30)
    assert "in 3 d 4 h" in words(job_page(pages, replace(PENDING, destruction=now() + left)))
    assert "without limit" in words(job_page(pages, replace(PENDING, execution_duration=0)))


def test_the_list(pages: JobPages) -> None:
    references = [reference(job, job_id=f"job-{number}") for number, job in enumerate(JOBS)]
    text = pages.job_list(LIST_URL, "Queries", references, older_url=f"{LIST_URL}?BEFORE=x&y")
    document = parse(text)
    assert [link.get("href") for link in document.xpath("//td/a")] == [
        f"{LIST_URL}/{each.job_id}" for each in references
    ]
    assert document.xpath("//td/span/text()") == [job.phase.value for job in JOBS]
    assert document.xpath("//a[@rel='next']/@href") == [f"{LIST_URL}?BEFORE=x&y"]
    assert not document.xpath("//a[text()='← Newest']")
    assert document.xpath("//*[@aria-current]/text()") == ["All"]
    assert document.xpath("//a[text()='ERROR']/@href") == [f"{LIST_URL}?PHASE=ERROR"]
    [completed] = document.xpath("//tr[td/span='COMPLETED']")
    assert "1 min 1 s" in words(completed)
    assert "nightly" in words(completed)


def test_a_list_of_some_phases(pages: JobPages) -> None:
    chosen = {Phase.ERROR, Phase.ABORTED}
    document = parse(pages.job_list(LIST_URL, "Queries", [], phases=chosen, newer_url=LIST_URL))
    assert document.xpath("//*[@aria-current]/text()") == ["ERROR", "ABORTED"]
    assert "No job here is ABORTED or ERROR." in words(document)
    assert document.xpath("//a[text()='← Newest']/@href") == [LIST_URL]


def hostile(job: Job) -> Job:
    """Return a job in which all that a caller or a task can write is hostile, and long."""
    text = HOSTILE + "x" * 300
    return replace(
        job,
        run_id=text,
        owner=text,
        parameters=((text, text),),
        error=ErrorSummary(text, "fatal", "query"),
        results=(Result("result", text, 7, "", text),),
        progress=Progress(stage=text, rows=10**15),
    )


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.phase)
def test_nothing_that_callers_write_is_more_than_text(pages: JobPages, job: Job) -> None:
    page = job_page(pages, hostile(job))
    assert page.xpath("//dt/code/text()")[0].startswith("\"'><script>alert(1)</script>{{ 7 * 7 }}&amp;")
    listed = parse(pages.job_list(LIST_URL, "Queries", [reference(hostile(job))]))
    allowed = {"href", "class", "datetime", "action", "method", "name", "value", "download", "id", "rel", "scope"}
    allowed |= {"aria-label", "aria-current", "lang", "charset", "content", "http-equiv", "max"}
    for document in (page, listed):
        assert {name for element in document.iter() for name in element.keys()} <= allowed  # noqa: SIM118


def test_the_title_of_the_service_and_links_to_it(pages: JobPages) -> None:
    document = job_page(pages, COMPLETED)
    assert document.xpath("//nav/a/text()") == ["Stars & more", "Queries"]
    assert document.xpath("//link[@rel='stylesheet']/@href") == ["http://127.0.0.1:8080/static/vo.css"]


def test_spans_and_sizes_read_well() -> None:
    spans = {
        -3: "0 ms",
        0.0421: "42 ms",
        0.9996: "1.0 s",
        59.9: "59.9 s",
        59.99: "1 min 0 s",
        3599.7: "1 h 0 min",
        90_061: "1 d 1 h",
    }
    assert {seconds: duration(timedelta(seconds=seconds)) for seconds in spans} == spans
    sizes = {0: "0 bytes", 2048: "2.0 KiB", 5 * 2**20: "5.0 MiB", 2**40: "1,048,576.0 MiB"}
    assert {count: size(count) for count in sizes} == sizes


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the browser can keep its sockets in."""
    path = Path(tempfile.mkdtemp(prefix="vo-browser-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.mark.parametrize("width", [400, 1200])
def test_nothing_is_wider_than_the_window(pages: JobPages, folder: Path, width: int) -> None:
    """In frames, because a browser's own window cannot be as narrow as a phone's."""
    style = files("vo.app").joinpath("static/vo.css").read_text()
    texts = [pages.job(hostile(job), job_url(job), LIST_URL, "Queries") for job in JOBS]
    texts.append(pages.job_list(LIST_URL, "Queries", [reference(hostile(job)) for job in JOBS]))
    frames = ""
    for number, text in enumerate(texts):
        page = text.replace('<meta http-equiv="refresh" content="1">', "").replace(SHEET, f"<style>{style}</style>")
        assert "<style>" in page
        (folder / f"{number}.html").write_text(page)
        frames += f'<iframe src="{number}.html" width="{width}" height="600" frameborder="0"></iframe>'
    measure = "frame => frame.contentDocument.documentElement.scrollWidth"
    script = f"document.title = [...document.querySelectorAll('iframe')].map({measure})"
    (folder / "frames.html").write_text(f"<title></title>{frames}<script>onload = () => {{ {script} }}</script>")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--allow-file-access-from-files"]
    profile = f"--user-data-dir={folder / 'profile'}"
    command = ["chromium", *options, profile, "--dump-dom", (folder / "frames.html").as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert shown.split("<title>")[1].split("</title>")[0] == ",".join([str(width)] * len(texts))
