"""Results of this service's own jobs as uploads: read where they are, within the rights of the caller."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from tap.upload.models import SentFile
from uws.models import Result
from uws.service import Jobs
from vo.core.callers import Caller


@dataclass(frozen=True)
class _StoredFile:
    path: str
    file_name: str | None
    media_type: str | None


class OwnResults:
    """Opens results by their addresses.

    Parameters
    ----------
    jobs : Jobs
        The jobs.
    base_url : str
        Address of the job list as clients see it, with a slash at the end.
    """

    def __init__(self, jobs: Jobs, base_url: str) -> None:
        self._jobs = jobs
        self._address = re.compile(rf"{re.escape(base_url)}([^/?#]+)/results/([^/?#]+)")

    def open(self, url: str, caller: Caller) -> AbstractContextManager[SentFile] | None:
        """Hold the result of an address; None if it is no result's.

        Raises
        ------
        ServiceError
            If there is no such result, or it is somebody else's.
        """
        found = self._address.fullmatch(url)
        if found is None:
            return None
        return self._opened(self._jobs.result(caller, *found.groups()))

    @contextmanager
    def _opened(self, result: Result) -> Iterator[SentFile]:
        with self._jobs.files.local(result.path) as path:
            yield _StoredFile(str(path), result.file_name, result.media_type)
