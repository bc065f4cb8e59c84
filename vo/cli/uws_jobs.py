"""Jobs of a service somewhere else, in plain UWS: 1.1 where it speaks that, asked again and again where it does not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.message import Message
from http.client import HTTPResponse
from pathlib import PurePosixPath
from urllib.parse import unquote, urlencode, urljoin, urlsplit

from lxml import etree

from uws.models import ACTIVE, ErrorSummary, Facts, Job, Phase, Progress, Result
from vo.cli.following import AWAY_SECONDS, STOP_SECONDS, View, state
from vo.cli.remote import led, requested
from vo.cli.uploads import MultipartBody
from vo.core.errors import UnavailableError

LOOK_SECONDS = 1
"""How long a service is asked to wait for a job's next phase: progress is news too, and nobody waits for that."""
SHORT_PATIENCE = 60.0
"""Seconds without a byte after which a question about a job is asked again."""
_UNKNOWN_TIME = datetime(1970, 1, 1, tzinfo=UTC)


class RemoteJob:
    """A job of a service somewhere else.

    Parameters
    ----------
    url : str
        Its address.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.names: dict[str, str] = {}

    @classmethod
    def create(cls, list_url: str, parameters: list[tuple[str, str]], body: MultipartBody | None = None) -> RemoteJob:
        """Create a job; `body` has the parameters and files, if there are any.

        Raises
        ------
        QueryError
            What the service says against it.
        UnavailableError
            If it cannot be reached.
        """
        return cls(led(list_url, urlencode(parameters).encode() if body is None else body))

    @property
    def name(self) -> str:
        """The job's id, for people."""
        return unquote(self.url.rpartition("/")[2])

    def read(self, *, wait: Phase | None = None) -> Job:
        """Return the job as it is now; wait a moment for another phase than one that is given."""
        question = urlencode({"WAIT": LOOK_SECONDS, "PHASE": wait}) if wait in ACTIVE else ""
        with requested(f"{self.url}?{question}" if question else self.url, patience=SHORT_PATIENCE) as response:
            return job_of(response.read(), self.url)

    def until_ended(self, view: View) -> Job:
        """Show the job as often as it changes; return it when it has ended."""
        phase: Phase | None = None
        answered = asked = time.monotonic()
        while True:
            asked = time.monotonic()
            try:
                job = self.read(wait=phase)
            except UnavailableError:
                if time.monotonic() - answered > AWAY_SECONDS:
                    raise
                view(None, "the service does not answer, trying again", None)
                time.sleep(LOOK_SECONDS)
                continue
            answered = time.monotonic()
            if job.phase not in ACTIVE | {Phase.UNKNOWN, Phase.HELD, Phase.SUSPENDED}:
                return job
            view(job.phase, state(job), None if job.progress is None else job.progress.fraction)
            if job.phase is phase:  # a service of UWS 1.0 does not wait
                time.sleep(max(0.0, LOOK_SECONDS - (answered - asked)))
            phase = job.phase

    def stop(self) -> None:
        """Abort the job, and wait until it has stopped."""
        led(f"{self.url}/phase", b"PHASE=ABORT", patience=SHORT_PATIENCE)
        end = time.monotonic() + STOP_SECONDS
        while (phase := self.read().phase) in ACTIVE and time.monotonic() < end:
            self.read(wait=phase)
            time.sleep(0.1)

    def forget(self) -> None:
        """Delete the job with its results."""
        led(self.url, None, method="DELETE", patience=SHORT_PATIENCE)

    @contextmanager
    def result(self, result: Result) -> Iterator[HTTPResponse]:
        """Hold a result, which has begun to come."""
        with requested(result.path) as response:
            yield response


def file_name_of(response: HTTPResponse, otherwise: str) -> str:
    """Return what a service calls a file, without any folder; else the name that is given, likewise."""
    given = Message()
    given["Content-Disposition"] = response.headers.get("Content-Disposition", "")
    return _name(given.get_filename() or "") or _name(otherwise) or "result"


def _name(path: str) -> str:
    """Return the last part of a path as a name that no file system takes for something else; empty without one."""
    name = PurePosixPath(path.replace("\\", "/")).name
    name = "".join(character if character.isprintable() else "_" for character in name)
    return "" if name in {".", ".."} else name


def job_of(document: bytes, url: str) -> Job:
    """Read the document of a job; what it does not say is left empty.

    Raises
    ------
    UnavailableError
        If it is no document of a job.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True)
    root = etree.fromstring(document, parser) if document.strip() else None
    if root is None or etree.QName(root).localname != "job":
        raise UnavailableError(f"{urlsplit(url).netloc} does not answer with a job of UWS.")
    error = root.find("{*}errorSummary")
    return Job(
        job_id=_text(root, "jobId") or url.rpartition("/")[2],
        service="",
        owner=_text(root, "ownerId"),
        account="",
        run_id=_text(root, "runId"),
        phase=_phase(_text(root, "phase")),
        created=_time(root, "creationTime") or _UNKNOWN_TIME,
        queued=_time(root, "creationTime"),
        started=_time(root, "startTime"),
        ended=_time(root, "endTime"),
        execution_duration=_integer(_text(root, "executionDuration")) or 0,
        destruction=_time(root, "destruction") or _UNKNOWN_TIME,
        quote=_time(root, "quote"),
        parameters=[(str(each.get("id", "")), each.text or "") for each in root.iterfind("{*}parameters/{*}parameter")],
        inputs=(),
        results=[_result(each, url) for each in root.iterfind("{*}results/{*}result")],
        error=None
        if error is None
        else ErrorSummary(_text(error, "message") or "It gives no reason.", error.get("type", "fatal"), "service"),
        progress=_progress(root),
        worker_id=None,
        attempt=_integer(_info(root, "attempt")) or 1,
        vain_attempts=0,
        abort_asked=False,
        facts=_facts(root),
    )


def _result(element: etree._Element, url: str) -> Result:
    attributes = {etree.QName(str(name)).localname: str(value) for name, value in element.attrib.items()}
    identifier = attributes.get("id", "result")
    return Result(
        id=identifier,
        media_type=attributes.get("mime-type", "application/octet-stream"),
        size=_integer(attributes.get("size")) or 0,
        path=urljoin(f"{url}/", attributes.get("href") or f"results/{identifier}"),
        file_name=identifier,
        remark=attributes.get("remark"),
    )


def _progress(root: etree._Element) -> Progress:
    return Progress(
        rows=_integer(_info(root, "rows")),
        size=_integer(_info(root, "bytes")),
        fraction=_number(_info(root, "fraction")),
        stage=_info(root, "stage"),
    )


def _facts(root: etree._Element) -> Facts:
    told = "{*}jobInfo/{*}"
    return Facts(
        plan=_info(root, "plan"),
        requested=_integer(_info(root, "requested")),
        found=_integer(_info(root, "found")),
        failed={str(each.get("reason", "")): _integer(each.text) or 0 for each in root.iterfind(f"{told}failed")},
        notes=[(str(each.get("name", "")), each.text or "") for each in root.iterfind(f"{told}note")],
    )


def _text(parent: etree._Element, name: str) -> str | None:
    return (parent.findtext(f"{{*}}{name}") or "").strip() or None


def _info(root: etree._Element, name: str) -> str | None:
    return (root.findtext(f"{{*}}jobInfo/{{*}}{name}") or "").strip() or None


def _phase(text: str | None) -> Phase:
    try:
        return Phase((text or "").upper())
    except ValueError:
        return Phase.UNKNOWN


def _time(root: etree._Element, name: str) -> datetime | None:
    with suppress(ValueError):
        moment = datetime.fromisoformat(_text(root, name) or "")
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def _read(text: str | None, kind: Callable[[str], float]) -> float | None:
    with suppress(ValueError):
        return kind(text or "")
    return None


def _integer(text: str | None) -> int | None:
    found = _read(text, int)
    return None if found is None else int(found)


def _number(text: str | None) -> float | None:
    return _read(text, float)
