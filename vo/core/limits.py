"""What one caller may use, and the words when it is reached: the same whether the work is synchronous or a job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from vo.core.errors import LimitError, QuotaError
from vo.core.settings import Settings

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that callers meet; times in seconds, space in bytes.

    Attributes
    ----------
    job_time, max_job_time : int
        Execution duration of a job: default, and the longest that a client can set.
    retention, max_retention : int
        Time until a job's destruction: default, and the longest.
    running_jobs, waiting_jobs : int
        Jobs of one caller that run, and that wait to run.
    max_result : int
        Size of one result.
    results_space : int
        Size of all stored results of one caller.
    max_upload, max_upload_rows, max_upload_columns : int
        Bytes that one request may send, rows and columns of one table.
    upload_space : int
        Bytes in the database of all uploaded tables of one caller.
    min_disk : int
        What stays free on the disk of results.
    """

    job_time: int
    max_job_time: int
    retention: int
    max_retention: int
    running_jobs: int
    waiting_jobs: int
    max_result: int
    results_space: int
    max_upload: int
    max_upload_rows: int
    max_upload_columns: int
    upload_space: int
    min_disk: int

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Take the limits from the settings."""
        return cls(
            job_time=min(settings.job_time, settings.max_job_time),
            max_job_time=settings.max_job_time,
            retention=min(settings.job_retention, settings.max_job_retention),
            max_retention=settings.max_job_retention,
            running_jobs=settings.running_jobs,
            waiting_jobs=settings.waiting_jobs,
            max_result=settings.max_result,
            results_space=settings.results_space,
            max_upload=settings.max_upload,
            max_upload_rows=settings.max_upload_rows,
            max_upload_columns=settings.max_upload_columns,
            upload_space=settings.upload_space,
            min_disk=settings.min_disk,
        )

    def check_result(self, size: int) -> None:
        """Raise a LimitError when a result has grown beyond what one may have."""
        if size > self.max_result:
            raise LimitError(
                f"The result grew beyond {mib(self.max_result)}, the most that one result may have.",
                hint="Select fewer rows or columns, or fetch the table in parts.",
            )

    def check_disk(self, free: int | None) -> None:
        """Raise a LimitError when the disk of results has too little room left; None means that nobody knows."""
        if free is not None and free < self.min_disk:
            raise LimitError(
                f"{mib(free)} are free on the disk for results, and {mib(self.min_disk)} have to stay free.",
                hint="Delete jobs that you do not need any more, ask for less, or try again later.",
            )

    def check_space(self, used: int) -> None:
        """Raise a QuotaError when the stored results of a caller take all the space that they may take."""
        if used >= self.results_space:
            raise QuotaError(
                f"Your stored results take {mib(used)} of the {mib(self.results_space)} that one caller may have.",
                hint="Delete jobs that you do not need any more.",
            )

    def check_upload_space(self, used: int) -> None:
        """Raise a QuotaError when the uploaded tables of a caller take more space than they may."""
        if used > self.upload_space:
            raise QuotaError(
                f"Your uploaded tables take {mib(used)} in the database, and one caller may have "
                f"{mib(self.upload_space)} at the same time.",
                hint="Send fewer rows or columns, or wait until your other queries with uploads have ended.",
            )

    def check_waiting(self, waiting: int) -> None:
        """Raise a QuotaError when a caller has as many waiting jobs as one may have."""
        if waiting >= self.waiting_jobs:
            raise QuotaError(
                f"You have {waiting} jobs that wait to run, and one caller may have {self.waiting_jobs}.",
                hint="Wait until some of them have run, or delete those that you do not need.",
            )


def time_reached(limit: int, longest: int) -> LimitError:
    """Return the error of work that was stopped after `limit` seconds; `longest` is what a job can be given."""
    hint = "Ask for fewer rows or a smaller region"
    if limit < longest:
        hint += f", or run it as an asynchronous job with an EXECUTIONDURATION of up to {longest} s"
    return LimitError(f"It took longer than the {limit} s that it may take and was stopped.", hint=f"{hint}.")


def mib(size: int) -> str:
    """Return a number of bytes for people."""
    return f"{size / MIB:,.0f} MiB" if size >= 10 * MIB else f"{size:,} bytes"
