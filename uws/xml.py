"""UWS documents (UWS 1.1, section 2.2.2 and its schema): a job, the list of jobs, and parts of a job."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from lxml import etree

from uws.models import NO_FACTS, ErrorSummary, Job, JobReference, Progress
from vo.core.xml import attribute, content

UWS = "http://www.ivoa.net/xml/UWS/v1.0"
XLINK = "http://www.w3.org/1999/xlink"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
PROGRESS = "urn:vo-stack:progress"
"""Namespace of our own for what a job's jobInfo says: how far it is, its plan, its counts with reasons, notes."""
CUSTOM = "urn:uwscustom"
"""The namespace that UWS's schema lets results have attributes of."""
NAMESPACES = {"uws": UWS, "xlink": XLINK, "xsi": XSI}
VERSION = "1.1"
"""Without it clients take the service for UWS 1.0, which cannot wait."""
_NO_OWNER = '<uws:ownerId xsi:nil="true"/>'

# XML 1.0, production 2. A parameter must show that something was there: another query would be read otherwise.
_NOT_A_CHARACTER = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REPLACEMENT = "\ufffd"


def job_document(job: Job, url: str) -> bytes:
    """Return the document of a job.

    Parameters
    ----------
    job : Job
        What to describe.
    url : str
        The job's own address; those of its results are below it.
    """
    root = _root("job")
    root.set("version", VERSION)
    _text(root, "jobId", job.job_id)
    if job.run_id is not None:
        _text(root, "runId", job.run_id)
    _text(root, "ownerId", job.owner)
    _text(root, "phase", job.phase)
    _text(root, "quote", _moment(job.quote))
    _text(root, "creationTime", moment(job.created))
    _text(root, "startTime", _moment(job.started))
    _text(root, "endTime", _moment(job.ended))
    _text(root, "executionDuration", str(job.execution_duration))
    _text(root, "destruction", moment(job.destruction))
    _fill_parameters(_child(root, "parameters"), job)
    _fill_results(_child(root, "results"), job, url)
    if job.error is not None:
        _error(root, job.error)
    _job_info(root, job)
    return _bytes(root)


def parameters_document(job: Job) -> bytes:
    """Return the document of a job's parameters."""
    root = _root("parameters")
    _fill_parameters(root, job)
    return _bytes(root)


def results_document(job: Job, url: str) -> bytes:
    """Return the document of a job's results; `url` is the job's address."""
    root = _root("results")
    _fill_results(root, job, url)
    return _bytes(root)


def jobs_beginning() -> bytes:
    """Return what comes before the references in a list of jobs."""
    namespaces = "".join(attribute(f"xmlns:{prefix}", uri) for prefix, uri in NAMESPACES.items())
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<uws:jobs{namespaces} version="{VERSION}">\n'.encode()


def jobs_references(references: Sequence[JobReference], list_url: str) -> bytes:
    """Return a part of a list of jobs; `list_url` is the list's address.

    Lists are long and sent in parts, so this is text: building elements takes several times as long.
    """
    parts = []
    for reference in references:
        run_id, owner = reference.run_id, reference.owner
        parts.append(
            f"<uws:jobref{attribute('id', reference.job_id)}"
            f'{attribute("xlink:href", f"{list_url}/{reference.job_id}")} xlink:type="simple">'
            f"<uws:phase>{reference.phase}</uws:phase>"
            f"{'' if run_id is None else f'<uws:runId>{content(legal(run_id))}</uws:runId>'}"
            f"{_NO_OWNER if owner is None else f'<uws:ownerId>{content(legal(owner))}</uws:ownerId>'}"
            f"<uws:creationTime>{moment(reference.created)}</uws:creationTime></uws:jobref>\n"
        )
    return "".join(parts).encode()


def jobs_end() -> bytes:
    """Return what comes after the references in a list of jobs."""
    return b"</uws:jobs>\n"


def moment(time: datetime) -> str:
    """Return a time as UWS writes it: UTC with milliseconds and a Z."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def legal(value: str) -> str:
    """Return a text with a replacement character for each character that XML cannot hold at all."""
    return _NOT_A_CHARACTER.sub(_REPLACEMENT, value)


def _moment(time: datetime | None) -> str | None:
    return None if time is None else moment(time)


def _root(name: str) -> etree._Element:
    return etree.Element(f"{{{UWS}}}{name}", nsmap=NAMESPACES)


def _child(parent: etree._Element, name: str) -> etree._Element:
    return etree.SubElement(parent, f"{{{UWS}}}{name}")


def _text(parent: etree._Element, name: str, value: str | None) -> None:
    """Add a child with text; nil says that there is none."""
    child = _child(parent, name)
    if value is None:
        child.set(f"{{{XSI}}}nil", "true")
    else:
        child.text = legal(value)


def _fill_parameters(element: etree._Element, job: Job) -> None:
    for name, value in job.parameters:
        parameter = _child(element, "parameter")
        parameter.set("id", legal(name))
        parameter.text = legal(value)


def _fill_results(element: etree._Element, job: Job, url: str) -> None:
    for result in job.results:
        child = _child(element, "result")
        child.set("id", result.id)
        if result.remark:
            child.set(f"{{{CUSTOM}}}remark", result.remark)
        child.set(f"{{{XLINK}}}type", "simple")
        child.set(f"{{{XLINK}}}href", f"{url}/results/{result.id}")
        child.set("mime-type", result.media_type)
        child.set("size", str(result.size))


def _error(root: etree._Element, error: ErrorSummary) -> None:
    summary = _child(root, "errorSummary")
    summary.set("type", error.type)
    summary.set("hasDetail", "true")  # the document at …/error
    _text(summary, "message", error.message)


def _job_info(root: etree._Element, job: Job) -> None:
    """Add what is known of the progress and what the job tells of itself; nothing where nothing is."""
    progress, told = job.progress or Progress(), job.facts
    facts: dict[str, object] = {
        "rows": progress.rows,
        "bytes": progress.size,
        "fraction": progress.fraction,
        "stage": progress.stage,
        "attempt": job.attempt if job.attempt > 1 else None,
        "requested": told.requested,
        "found": told.found,
        "plan": told.plan,
    }
    known = {name: fact for name, fact in facts.items() if fact is not None}
    if known or told != NO_FACTS:
        info = etree.SubElement(root, f"{{{UWS}}}jobInfo", nsmap={"progress": PROGRESS})
        for name, fact in known.items():
            etree.SubElement(info, f"{{{PROGRESS}}}{name}").text = legal(str(fact))
        for reason, number in told.failed.items():
            etree.SubElement(info, f"{{{PROGRESS}}}failed", reason=legal(reason)).text = str(number)
        for name, value in told.notes:
            etree.SubElement(info, f"{{{PROGRESS}}}note", name=legal(name)).text = legal(value)


def _bytes(root: etree._Element) -> bytes:
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
