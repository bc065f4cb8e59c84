"""Files that come with a job's parameters: stored beside its results, until it has ended well or is destroyed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from uws.folders import inputs_folder
from uws.models import Input, Job
from vo.core.dali.multipart import SentFile
from vo.core.files import FileStore

BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class OpenInput:
    """A job's file that this process can open."""

    path: str
    file_name: str | None
    media_type: str | None


@contextmanager
def stored(store: FileStore, job_id: str, sent: Mapping[str, SentFile]) -> Iterator[list[Input]]:
    """Store files; they are kept when the ``with`` block ends without an error.

    Raises
    ------
    ServiceError
        If they cannot be stored.
    """
    folder = f"{inputs_folder(job_id)}/{secrets.token_hex(8)}"
    inputs: list[Input] = []
    try:
        for number, (part, file) in enumerate(sent.items(), 1):
            path = f"{folder}/{number}"
            with store.write(path) as writer:
                file.file.seek(0)
                while block := file.file.read(BLOCK_BYTES):
                    writer.write(block)
            inputs.append(Input(part, path, file.size, file.media_type, file.file_name))
        yield inputs
    except BaseException:
        if sent:
            store.delete_folder(folder)
        raise


def taken_over(store: FileStore, job_id: str, inputs: Sequence[Input]) -> list[Input]:
    """Give the files of one job to another too.

    Raises
    ------
    NotFoundError
        If they are gone.
    """
    folder = f"{inputs_folder(job_id)}/{secrets.token_hex(8)}"
    mine = [replace(one, path=f"{folder}/{number}") for number, one in enumerate(inputs, 1)]
    for one, other in zip(mine, inputs, strict=True):
        store.copy(other.path, one.path)
    return mine


@contextmanager
def opened(store: FileStore, inputs: Sequence[Input]) -> Iterator[dict[str, OpenInput]]:
    """Hold files by the names of their parts, where this process can open them; the last of a name counts."""
    with ExitStack() as stack:
        yield {
            one.part: OpenInput(str(stack.enter_context(store.local(one.path))), one.file_name, one.media_type)
            for one in inputs
        }


def discard(store: FileStore, job: Job) -> None:
    """Delete the files of a job that needs them no more."""
    if job.inputs:
        store.delete_folder(inputs_folder(job.job_id))
