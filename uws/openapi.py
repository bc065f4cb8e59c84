"""The resources of a job list (UWS 1.1), for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Sequence

from uws.models import Phase
from vo.core.openapi import (
    HTML,
    TEXT,
    VOTABLE,
    XML,
    Paths,
    Piece,
    answer,
    form,
    operation,
    path_parameter,
    query_parameter,
    seen,
)

_PHASE: Piece = {"type": "string", "enum": [str(phase) for phase in Phase]}
_TIME: Piece = {"type": "string", "format": "date-time", "examples": ["2030-01-31T23:59:59Z"]}
_SECONDS: Piece = {"type": "integer", "minimum": 0, "examples": [600]}
_JOB = path_parameter("job_id", "The job's id")
RUN: Piece = {
    "type": "string",
    "enum": ["RUN"],
    "description": "Starts the job at once; without it the job is PENDING.",
}


def job_list_paths(path: str, tag: str, *, more: Sequence[Piece] = ()) -> Paths:
    """Return the resource of a job list, but not how a job is created.

    Parameters
    ----------
    path : str
        Of the list.
    tag : str
        Its group.
    more : sequence of dict
        Parameters in the path.
    """
    listed = operation(
        "List your jobs, the newest first",
        tag,
        ("200", answer("The jobs", XML, HTML)),
        parameters=[
            *more,
            query_parameter("PHASE", "Only jobs in one of these phases.", {"type": "array", "items": _PHASE}),
            query_parameter("AFTER", "Only jobs created later than this.", _TIME),
            query_parameter("LAST", "Only the newest so many.", {"type": "integer", "minimum": 1}),
        ],
    )
    return {path: {"get": listed}}


def job_paths(path: str, tag: str, *, more: Sequence[Piece] = ()) -> Paths:
    """Return the resources of the jobs of a list; the parameters are those of `job_list_paths`."""
    parameters = [*more, _JOB]
    back = seen("Leads back to the job")

    def show(summary: str, *media_types: str, also: Sequence[Piece] = ()) -> Piece:
        return operation(summary, tag, ("200", answer("It", *media_types)), parameters=[*parameters, *also])

    def change(summary: str, name: str, schema: Piece) -> Piece:
        return operation(summary, tag, back, parameters=parameters, body=form({name: schema}, required=[name]))

    wait = (
        query_parameter(
            "WAIT", "Seconds to wait for the next phase at most; -1 as long as it can.", {"type": "integer"}
        ),
        query_parameter("PHASE", "Wait only while the job is in this phase.", _PHASE),
    )
    gone = seen("Leads to the list")
    kill: Piece = {"type": "string", "enum": ["DELETE"]}
    job = f"{path}/{{job_id}}"
    return {
        job: {
            "get": show("Show a job", XML, HTML, also=wait),
            "post": operation(
                "Delete a job", tag, gone, parameters=parameters, body=form({"ACTION": kill}, required=["ACTION"])
            ),
            "delete": operation("Delete a job with all that belongs to it", tag, gone, parameters=parameters),
        },
        f"{job}/phase": {
            "get": show("Show a job's phase", TEXT),
            "post": change("Start or abort a job", "PHASE", {"type": "string", "enum": ["RUN", "ABORT"]}),
        },
        f"{job}/executionduration": {
            "get": show("Show for how many seconds a job may run", TEXT),
            "post": change("Set for how many seconds a job may run", "EXECUTIONDURATION", _SECONDS),
        },
        f"{job}/destruction": {
            "get": show("Show when a job will be destroyed", TEXT),
            "post": change("Set when a job will be destroyed", "DESTRUCTION", _TIME),
        },
        f"{job}/quote": {"get": show("Show when a job is expected to end", TEXT)},
        f"{job}/owner": {"get": show("Show whose job it is", TEXT)},
        f"{job}/parameters": {
            "get": show("Show a job's parameters", XML),
            "post": operation(
                "Add parameters while a job is PENDING", tag, back, parameters=parameters, body=form({}, files=True)
            ),
        },
        f"{job}/error": {"get": show("Show why a job failed", VOTABLE)},
        f"{job}/results": {"get": show("List a job's results", XML)},
        f"{job}/results/{{result_id}}": {
            "get": show("Fetch a result, or a part of it", "*/*", also=[path_parameter("result_id", "The result's id")])
        },
    }
