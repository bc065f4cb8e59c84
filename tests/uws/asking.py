"""Asking a job list over HTTP, and reading its documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

from lxml import etree

from tests.conftest import Service
from tests.tap.asking import FORM, TEXT_TYPE, Answer, Pairs, ask, assert_error, eventually

JOBS = "/tap/async"
UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"
XLINK = "{http://www.w3.org/1999/xlink}"
XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
QUERY = "SELECT TOP 3 table_name FROM tap_schema.tables WHERE table_name LIKE 'tap_schema.%' ORDER BY table_name"
ENDLESS = "SELECT COUNT(*) AS n FROM " + ", ".join(f"tap_schema.columns AS {name}" for name in "abcdefg")
"""Runs until it is stopped."""
FINAL = frozenset({"COMPLETED", "ERROR", "ABORTED"})

Where = Service | int


@dataclass(frozen=True)
class Reference:
    """A job in a list."""

    id: str
    phase: str
    created: str
    owner: str | None
    run_id: str | None
    href: str


def pairs_of(parameters: Pairs) -> list[tuple[str, str]]:
    return list(parameters.items()) if isinstance(parameters, Mapping) else list(parameters)


def post(service: Where, target: str, parameters: Pairs = (), **more: str) -> Answer:
    """POST parameters, urlencoded in the body."""
    body = urlencode([*pairs_of(parameters), *more.items()]).encode()
    return ask(service, target, method="POST", body=body, headers=FORM)


def location(answer: Answer) -> str:
    """The path that a 303 leads to; its address is absolute, and it has no body."""
    assert answer.status == 303, answer.text[:1000]
    assert answer.body == b""
    address = urlsplit(answer.headers["Location"])
    assert address.scheme == "http"
    assert address.netloc
    return address.path


def refused(answer: Answer, status: int, *phrases: str) -> str:
    """Check an error of the job list, which is text: pyvo and browsers show that and nothing else."""
    return assert_error(answer, status, *phrases, media_type=TEXT_TYPE)


def create(service: Where, **parameters: str) -> str:
    """Create a job, with a trivial query unless another one is given; return its path."""
    return location(post(service, JOBS, {"LANG": "ADQL", "QUERY": QUERY, **parameters}))


def run(service: Where, job: str) -> Answer:
    return post(service, f"{job}/phase", PHASE="RUN")


def abort(service: Where, job: str) -> Answer:
    return post(service, f"{job}/phase", PHASE="ABORT")


def delete(service: Where, job: str) -> Answer:
    return ask(service, job, method="DELETE")


def text(service: Where, target: str) -> str:
    """The text of an atomic resource."""
    answer = ask(service, target)
    assert answer.status == 200, answer.text[:1000]
    assert answer.type == "text/plain; charset=utf-8"
    return answer.text


def phase(service: Where, job: str) -> str:
    return text(service, f"{job}/phase")


def document(service: Where, job: str, query: str = "") -> etree._Element:
    """The job's document."""
    answer = ask(service, job + query)
    assert answer.status == 200, answer.text[:1000]
    assert answer.type == "text/xml; charset=utf-8"
    root = answer.xml()
    assert root.tag == f"{UWS}job"
    assert root.attrib["version"] == "1.1"
    return root


def value(root: etree._Element, name: str) -> str | None:
    """The text of a child that must be there; None when it is nil."""
    child = root.find(UWS + name)
    assert child is not None, name
    assert (child.text is None) == (child.get(f"{XSI}nil") == "true")
    return child.text


def job_parameters(service: Where, job: str) -> list[tuple[str, str]]:
    root = ask(service, f"{job}/parameters").xml()
    assert root.tag == f"{UWS}parameters"
    return [(str(item.attrib["id"]), item.text or "") for item in root]


def ended(service: Where, job: str, seconds: float = 30.0) -> str:
    """Wait until a job has ended, as clients do, and return its phase."""

    def final() -> str | None:
        now = value(document(service, job, "?WAIT=-1"), "phase")
        return now if now in FINAL else None

    return str(eventually(final, seconds))


def executing(service: Where) -> str:
    """A job that runs until it is stopped."""
    job = create(service, QUERY=ENDLESS, PHASE="RUN")
    eventually(lambda: phase(service, job) == "EXECUTING")
    return job


def references(answer: Answer) -> list[Reference]:
    """The jobs of a list."""
    assert answer.status == 200, answer.text[:1000]
    root = answer.xml()
    assert root.tag == f"{UWS}jobs"
    assert root.attrib["version"] == "1.1"
    return [
        Reference(
            id=str(item.attrib["id"]),
            phase=item.findtext(f"{UWS}phase", ""),
            created=item.findtext(f"{UWS}creationTime", ""),
            owner=item.findtext(f"{UWS}ownerId") or None,
            run_id=item.findtext(f"{UWS}runId"),
            href=str(item.attrib[f"{XLINK}href"]),
        )
        for item in root
    ]


def listed(service: Where, filters: Pairs = (), **more: str) -> list[Reference]:
    """The job list, with filters."""
    query = urlencode([*pairs_of(filters), *more.items()], quote_via=quote)
    return references(ask(service, f"{JOBS}?{query}"))


def id_of(job: str) -> str:
    return job.rpartition("/")[2]


def at_once(count: int, call: Callable[[int], Answer]) -> list[Answer]:
    """Send so many requests at the same time."""
    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(call, range(count)))
