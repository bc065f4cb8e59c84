"""Pages for people: a list of jobs, and one job with what can be done to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from jinja2 import Environment

from uws.models import Job, JobReference, Phase
from uws.xml import moment

RUNNABLE = frozenset({Phase.PENDING, Phase.HELD})
"""Phases in which a client may send PHASE=RUN."""
STOPPABLE = frozenset({Phase.PENDING, Phase.QUEUED, Phase.EXECUTING, Phase.HELD, Phase.SUSPENDED})
"""Phases in which a client may send PHASE=ABORT."""
MOVING = frozenset({Phase.QUEUED, Phase.EXECUTING})
"""Phases that end by themselves: the page of such a job loads itself again."""
FILTERS = (
    Phase.PENDING,
    Phase.QUEUED,
    Phase.EXECUTING,
    Phase.COMPLETED,
    Phase.ERROR,
    Phase.ABORTED,
    Phase.ARCHIVED,
)
"""Phases that jobs of this stack have."""
LONGER = (("1 day", timedelta(days=1)), ("1 week", timedelta(weeks=1)), ("30 days", timedelta(days=30)))
"""How much longer a job may be kept, as the page offers it."""


class JobPages:
    """Pages of a job list that need no JavaScript: links, and small forms that POST as any client does.

    Parameters
    ----------
    environment : jinja2.Environment
        From `vo.core.pages.page_environment` for the package ``uws``.
    """

    def __init__(self, environment: Environment) -> None:
        formats = {"duration": duration, "size": size, "readable": readable, "moment": moment}
        self._list = environment.get_template("jobs.html", globals=formats)
        self._job = environment.get_template("job.html", globals=formats)

    def job_list(
        self,
        list_url: str,
        title: str,
        references: Sequence[JobReference],
        *,
        phases: Collection[Phase] = (),
        older_url: str | None = None,
        newer_url: str | None = None,
        service_url: str | None = None,
    ) -> str:
        """Return one page of a list of jobs.

        Parameters
        ----------
        list_url : str
            The list's own address.
        title : str
            What the list is called.
        references : sequence of JobReference
            The page's jobs, newest first.
        phases : collection of Phase
            Phases to which the list was narrowed; empty for all but ARCHIVED.
        older_url, newer_url : str, optional
            Of the next page and of the first one; None where there is none.
        service_url : str, optional
            Of the page whose form makes such jobs.
        """
        return self._list.render(
            list_url=list_url,
            list_title=title,
            references=references,
            now=datetime.now(UTC),
            filters=FILTERS,
            phases=phases,
            older_url=older_url,
            newer_url=newer_url,
            service_url=service_url,
        )

    def job(
        self,
        job: Job,
        url: str,
        list_url: str,
        title: str,
        *,
        service_url: str | None = None,
        captions: Mapping[str, str] | None = None,
        continuable: bool = False,
    ) -> str:
        """Return a job's page.

        Parameters
        ----------
        job : Job
            What to show.
        url : str
            The job's own address.
        list_url, title : str
            Address and name of the list that it belongs to.
        service_url : str, optional
            Of the page whose form makes such jobs; it takes a job's parameters in its address.
        captions : mapping of str to str, optional
            What results show, by their ids.
        continuable : bool
            Whether another job can go on with it.
        """
        moving = job.phase in MOVING
        return self._job.render(
            job=job,
            job_url=url,
            list_url=list_url,
            list_title=title,
            now=datetime.now(UTC),
            limit=timedelta(seconds=job.execution_duration),
            captions=captions or {},
            continuable=continuable,
            service_url=service_url,
            again_url=None if service_url is None else f"{service_url}?{urlencode(_repeatable(job))}",
            moving=moving,
            runnable=job.phase in RUNNABLE,
            stoppable=job.phase in STOPPABLE and not job.abort_asked,
            # Whoever chooses from a list must not have it taken away by the page that loads itself again.
            longer=[] if moving or job.phase is Phase.ARCHIVED else LONGER,
        )


def _repeatable(job: Job) -> list[tuple[str, str]]:
    """Return the parameters of a job with which another one can be made: files are gone with it."""
    return [(name, value) for name, value in job.parameters if name not in ("UPLOAD", "CONTINUE")]


def duration(time: timedelta) -> str:
    """Return a time span with its largest units; a negative one, of clocks that disagree, as none."""
    seconds = max(0.0, time.total_seconds())
    if seconds < 0.9995:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days} d {hour} h"
    return f"{hours} h {minute} min" if hours else f"{minutes} min {second} s"


def size(count: int) -> str:
    """Return a number of bytes in MiB, or in a smaller unit where MiB would say little."""
    if count < 2**10:
        return f"{count} bytes"
    if count < 2**20:
        return f"{count / 2**10:.1f} KiB"
    return f"{count / 2**20:,.1f} MiB"


def readable(time: datetime) -> str:
    """Return a time for people, in UTC."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
