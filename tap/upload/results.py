"""Results of this service's own jobs as uploads: read where they are, within the rights of the caller."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from tap.upload.models import SentFile
from uws.models import Result
from uws.service import Jobs
from vo.core.callers import Caller
from vo.core.files import FileStore

_RESULT = re.compile(r"(.+)/([^/?#]+)/results/([^/?#]+)")
"""The address of a result: of the job list, the job's id, the result's."""


@dataclass(frozen=True)
class _StoredFile:
    path: str
    file_name: str | None
    media_type: str | None


class OwnResults:
    """Opens results by their addresses.

    Parameters
    ----------
    lists : mapping of str to Jobs
        The job lists, by their addresses as clients see them, without a slash at the end.
    """

    def __init__(self, lists: Mapping[str, Jobs]) -> None:
        self._lists = lists

    def open(self, url: str, caller: Caller) -> AbstractContextManager[SentFile] | None:
        """Hold the result of an address; None if it is no result's.

        Raises
        ------
        ServiceError
            If there is no such result, or it is somebody else's.
        """
        found = _RESULT.fullmatch(url)
        jobs = None if found is None else self._lists.get(found[1])
        if found is None or jobs is None:
            return None
        return _opened(jobs.files, jobs.result(caller, found[2], found[3]))


@contextmanager
def _opened(files: FileStore, result: Result) -> Iterator[SentFile]:
    with files.local(result.path) as path:
        yield _StoredFile(str(path), result.file_name, result.media_type)
