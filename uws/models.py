"""A job and what belongs to it, in the words of UWS 1.1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Self


class Phase(StrEnum):
    """Execution phases (UWS 1.1, section 2.1.3). Which follows which stands in ``uws.phase_changes``."""

    PENDING = "PENDING"
    QUEUED = "QUEUED"
    EXECUTING = "EXECUTING"
    COMPLETED = "COMPLETED"
    ERROR = "ERROR"
    ABORTED = "ABORTED"
    ARCHIVED = "ARCHIVED"
    HELD = "HELD"
    SUSPENDED = "SUSPENDED"
    UNKNOWN = "UNKNOWN"


ACTIVE = frozenset({Phase.PENDING, Phase.QUEUED, Phase.EXECUTING})
"""Phases in which a client may wait for a change (UWS 1.1, section 2.2.1.1)."""

WAITING = frozenset({Phase.PENDING, Phase.QUEUED})
"""Phases of a job that has not begun."""


@dataclass(frozen=True, slots=True)
class Result:
    """One stored result.

    Attributes
    ----------
    id : str
        Last part of its URL.
    media_type : str
        Content-Type to answer with.
    size : int
        Bytes.
    path : str
        Of the file, relative to where results are stored.
    file_name : str
        Under which a client may save it.
    remark : str, optional
        What the owner should know of it, and its format may not be able to say: that it was cut.
    """

    id: str
    media_type: str
    size: int
    path: str
    file_name: str
    remark: str | None = None


@dataclass(frozen=True, slots=True)
class ErrorSummary:
    """Why a job failed.

    Attributes
    ----------
    message : str
        In words for the client.
    type : str
        ``fatal``, or ``transient`` where the same job may succeed later.
    code : str
        Of the error's class in `vo.core.errors`.
    """

    message: str
    type: str
    code: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running job is; what is not known is None.

    Attributes
    ----------
    rows, size : int, optional
        Rows and bytes of the results so far.
    fraction : float, optional
        0 to 1.
    stage : str, optional
        What it does now, in a few words.
    """

    rows: int | None = None
    size: int | None = None
    fraction: float | None = None
    stage: str | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What a job tells of itself, before it runs, while it does and afterwards.

    Attributes
    ----------
    plan : str, optional
        How it will be done, for people.
    requested, found : int, optional
        Items asked for, and done so far.
    failed : mapping of str to int
        Items that failed, by reason.
    notes : sequence of (name, value)
        What else there is to know of the result: the engine that ran, versions, seeds.
    """

    plan: str | None = None
    requested: int | None = None
    found: int | None = None
    failed: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[tuple[str, str]] = ()

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        """Read what was stored as JSON."""
        notes = tuple((name, value) for name, value in stored.get("notes", ()))
        return cls(**{**stored, "notes": notes})


NO_FACTS = Facts()


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a job is expected to cost, before it runs.

    Attributes
    ----------
    seconds : float, optional
        How long it will run; None where nobody knows.
    plan : str
        How it will be done, for people; or why it cannot be.
    """

    seconds: float | None
    plan: str


@dataclass(frozen=True, slots=True)
class Input:
    """A file that came with a job's parameters.

    Attributes
    ----------
    part : str
        Name of the request's part, by which parameters refer to it.
    path : str
        In the file store.
    size : int
        In bytes.
    media_type, file_name : str, optional
        What the client says of it.
    """

    part: str
    path: str
    size: int
    media_type: str | None = None
    file_name: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the store has it. Times are in UTC.

    Attributes
    ----------
    job_id : str
        Unguessable: it is all that protects an anonymous job.
    service : str
        To whose job list it belongs, such as ``tap``.
    owner : str, optional
        Authenticated identity; None for anonymous callers.
    account : str
        Whose turn and whose limits it takes.
    parameters : sequence of (name, value)
        In the order they came.
    inputs : sequence of Input
        Files that came with the parameters.
    attempt, vain_attempts : int
        How often it was begun, and how often in vain because a worker or the database went away.
    facts : Facts
        What it tells of itself.
    """

    job_id: str
    service: str
    owner: str | None
    account: str
    run_id: str | None
    phase: Phase
    created: datetime
    queued: datetime | None
    started: datetime | None
    ended: datetime | None
    execution_duration: int
    destruction: datetime
    quote: datetime | None
    parameters: Sequence[tuple[str, str]]
    inputs: Sequence[Input]
    results: Sequence[Result]
    error: ErrorSummary | None
    progress: Progress | None
    worker_id: str | None
    attempt: int
    vain_attempts: int
    abort_asked: bool
    facts: Facts = NO_FACTS


@dataclass(frozen=True, slots=True)
class JobReference:
    """A job as a list shows it."""

    job_id: str
    phase: Phase
    run_id: str | None
    owner: str | None
    created: datetime
    started: datetime | None = None
    ended: datetime | None = None


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs of a list are wanted (UWS 1.1, section 2.2.2.1).

    Attributes
    ----------
    phases : frozenset of Phase
        Any of these; empty means all but ARCHIVED.
    after : datetime, optional
        Created later than this.
    last : int, optional
        The newest so many.
    """

    phases: frozenset[Phase] = frozenset()
    after: datetime | None = None
    last: int | None = None
