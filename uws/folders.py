"""Where in the file store a job's files are."""

from __future__ import annotations


def folder_of(job_id: str) -> str:
    """Return the folder of a job's files; two levels, so that no folder holds them all."""
    return f"{job_id[:2]}/{job_id}"


def inputs_folder(job_id: str) -> str:
    """Return the folder of the files that came with a job's parameters; no attempt is called so."""
    return f"{folder_of(job_id)}/inputs"


def checkpoint_folder(job_id: str) -> str:
    """Return the folder of what a job keeps from one attempt to the next."""
    return f"{folder_of(job_id)}/checkpoint"


def checkpoint_of(job_id: str) -> str:
    """Return the path of a job's checkpoint."""
    return f"{checkpoint_folder(job_id)}/state"
