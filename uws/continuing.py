"""A job that goes on with another one: what may be said of it, and what it has from that."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from uws.models import Job, Phase
from vo.core.dali.parameters import Parameters
from vo.core.errors import ParameterError

CONTINUE = "CONTINUE"
"""Parameter that names the job with which a new one goes on, where it was."""
LEFT = frozenset({Phase.ABORTED, Phase.ERROR})
"""Phases of jobs with which another one can go on."""
_DURATION = "EXECUTIONDURATION"
_FORMAT = ("RESPONSEFORMAT", "FORMAT")
BESIDE = ("PHASE", "RUNID", _DURATION, "MAXREC", *_FORMAT)
"""What may be said of such a job: all else is as it was."""


def refuse_beside(parameters: Parameters, files: Collection[str]) -> None:
    """Refuse what would make another computation of it.

    Raises
    ------
    ParameterError
        Naming it.
    """
    wrong = [name for name, _ in parameters.pairs() if name and name not in (CONTINUE, "ACTION", *BESIDE)]
    if wrong or files:
        raise ParameterError(
            wrong[0][:40] if wrong else "UPLOAD",
            "a job that goes on with another one has the parameters and tables of that.",
            hint=f"Beside {CONTINUE} it takes {', '.join(BESIDE)}.",
        )


def parameters_from(old: Job, given: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the parameters of a job that goes on with another one: those of that, but for what is said anew."""
    anew = [pair for pair in given if pair[0] != _DURATION]
    names = {CONTINUE, *(name for name, _ in anew)}
    if names.intersection(_FORMAT):
        names.update(_FORMAT)
    return [*(pair for pair in old.parameters if pair[0] not in names), *anew]


def nothing_left(job: Job) -> ParameterError:
    """Return why no job can go on with one."""
    if job.phase not in LEFT:
        why, hint = f"the job {job.job_id} is {job.phase}.", "One can go on with what was aborted or has failed."
    else:
        why = f"the job {job.job_id} has kept nothing: it ended before it did, or by an error of its own."
        hint = "Send its parameters again."
    return ParameterError(CONTINUE, why, hint=hint)
