"""What a task's process tells while it runs, and how that is read from the frames that it sends."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa

from uws.tasks.frames import FrameError
from uws.tasks.given import Counts
from uws.xml import legal

MAX_CHECKPOINT = 16 * 2**20
"""Largest checkpoint in bytes."""
MAX_TEXT = 10_000
"""Most characters of a fact or a stage that are kept."""
MAX_NOTES = 100
"""Most facts of one run, by their names."""
MAX_COUNT = 2**53
"""Largest number of items, which every reader of JSON has exactly."""


@dataclass(frozen=True, slots=True)
class Made:
    """Rows of a table; the columns are, by position, those of the output, in their canonical types."""

    output: str
    batch: pa.RecordBatch


@dataclass(frozen=True, slots=True)
class Progressed:
    """How far it is: 0 to 1, and what it does now."""

    fraction: float | None
    stage: str | None


@dataclass(frozen=True, slots=True)
class Counted:
    """Items since the last time; they are to be added."""

    counts: Counts


@dataclass(frozen=True, slots=True)
class Noted:
    """A fact about the result."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Finished:
    """An output that is a file is complete; the task cannot reach it any more under this path."""

    output: str
    path: Path


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint: it speaks of all that was told before it."""

    state: bytes


@dataclass(frozen=True, slots=True)
class Dropped:
    """The checkpoint that it was given does not fit its input any more: the run is to begin anew."""


Event: TypeAlias = Made | Progressed | Counted | Noted | Finished | Saved | Dropped


def made(header: Mapping[str, Any], payload: pa.Buffer, schemas: Mapping[str, pa.Schema]) -> Made:
    """Read a batch, and trust nothing of it: offsets that point elsewhere would crash who follows them."""
    name = _text(header, "output")
    if name not in schemas:
        raise FrameError(f"there is no output {name!r}")
    try:
        batch = pa.ipc.read_record_batch(payload, schemas[name])
        batch.validate(full=True)
    except Exception as error:  # Arrow has many words for rubbish
        raise FrameError(f"a batch that is none: {error}") from None
    return Made(name, batch)


def progressed(header: Mapping[str, Any]) -> Progressed:
    """Read how far it is."""
    fraction = header.get("fraction")
    if fraction is not None:
        if not isinstance(fraction, int | float) or not math.isfinite(fraction):
            raise FrameError("a fraction that is no number")
        fraction = min(1.0, max(0.0, float(fraction)))
    return Progressed(fraction, None if header.get("stage") is None else _text(header, "stage"))


def counted(header: Mapping[str, Any]) -> Counted:
    """Read counts."""
    failed = header.get("failed")
    if not isinstance(failed, dict):
        raise FrameError("failures that are not counted by reason")
    return Counted(
        Counts(
            _number(header.get("requested")),
            _number(header.get("found")),
            {legal(reason): _number(number) for reason, number in failed.items()},
        )
    )


def noted(header: Mapping[str, Any]) -> Noted:
    """Read a fact."""
    return Noted(_text(header, "name"), _text(header, "value"))


def saved(payload: pa.Buffer) -> Saved:
    """Read a checkpoint."""
    if payload.size > MAX_CHECKPOINT:
        raise FrameError("a checkpoint that is too large")
    return Saved(payload.to_pybytes())


def _text(header: Mapping[str, Any], name: str) -> str:
    value = header.get(name)
    if not isinstance(value, str):
        raise FrameError(f"{name} is no text")
    return legal(value[:MAX_TEXT])


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > MAX_COUNT:
        raise FrameError("a count that is no number")
    return value
