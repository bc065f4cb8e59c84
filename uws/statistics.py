"""The state of the queue in figures, for monitoring."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, text

from uws.store import transaction

WORKER_SILENCE = 15.0
"""Seconds after which availability says that no worker lives."""

_STATISTICS = text("""
    SELECT (SELECT count(*) FROM uws.workers) AS workers,
           (SELECT coalesce(sum(slots), 0) FROM uws.workers WHERE NOT draining) AS slots,
           (SELECT extract(epoch FROM min(clock_timestamp() - seen)) FROM uws.workers) AS last_seen,
           (SELECT count(*) FROM uws.jobs WHERE phase = 'QUEUED' AND NOT deleted) AS queued,
           (SELECT count(*) FROM uws.jobs WHERE phase = 'EXECUTING') AS executing,
           (SELECT extract(epoch FROM clock_timestamp() - min(queued)) FROM uws.jobs
            WHERE phase = 'QUEUED' AND NOT deleted) AS queue_age,
           (SELECT expired_leases FROM uws.figures) AS expired_leases
""")


@dataclass(frozen=True, slots=True)
class Statistics:
    """The state of the queue in figures; times in seconds."""

    workers: int
    slots: int
    last_seen: float | None
    queued: int
    executing: int
    queue_age: float
    expired_leases: int


def statistics(engine: Engine) -> Statistics:
    """Return the state of the queue."""
    with transaction(engine) as connection:
        row = connection.execute(_STATISTICS).one()
    return Statistics(
        workers=row.workers,
        slots=row.slots,
        last_seen=None if row.last_seen is None else float(row.last_seen),
        queued=row.queued,
        executing=row.executing,
        queue_age=float(row.queue_age or 0.0),
        expired_leases=row.expired_leases,
    )
