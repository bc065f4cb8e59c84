"""Queries as asynchronous jobs (TAP 1.1, section 2.4): the same query, written to a file by the same writers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any

from tap.query import SERVICE
from tap.query.models import QueryRequest
from tap.query.service import QueryService
from uws.executor import JobContext
from uws.models import Job, Progress
from vo.core.callers import Caller
from vo.core.dali.parameters import Parameters
from vo.core.settings import Settings
from vo.core.stored import result_name

RESULT = "result"
"""Id of the one result (TAP 1.1, section 2.4)."""


class QueryJobs:
    """Runs the jobs of /tap/async (a `uws.executor.Executor`).

    Parameters
    ----------
    service : QueryService
        Runs the queries.
    settings : Settings
        Limits.
    """

    service = SERVICE
    attempts = 3

    def __init__(self, service: QueryService, settings: Settings) -> None:
        self._service = service
        self._settings = settings

    def run(self, job: Job, context: JobContext) -> None:
        """Run the query of a job and store its result."""
        wanted = QueryRequest.from_parameters(Parameters(job.parameters), self._settings)
        caller = Caller(identity=job.owner, address=job.account.partition(":")[2])
        with (
            context.inputs() as files,
            closing(self._service.query(wanted, caller, job.job_id, files)) as query,
            context.cancelled_by(query.cancel),
        ):
            blocks: Sequence[Any] | None = query.begin()
            with context.result(RESULT, wanted.content_type, result_name(wanted.query, wanted.extension)) as result:
                while blocks is not None:
                    for block in blocks:
                        result.check()
                        result.write(block)
                    context.progress = Progress(rows=query.rows, size=result.size)
                    blocks = query.more()
                if query.error is not None:
                    raise query.error
                if query.overflow:
                    result.remark = f"cut at {query.rows:,} rows, there are more (MAXREC)"
