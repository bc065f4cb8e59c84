"""Where uploaded tables come from: a part of the request, a result of ours, or an address elsewhere."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from tap.upload.models import SentFile, SentFiles, Upload
from vo.core.callers import Caller
from vo.core.errors import ParameterError
from vo.core.fetch import FetchPolicy, fetch
from vo.core.scratch import ScratchBooks

OwnFiles = Callable[[str, Caller], AbstractContextManager[SentFile] | None]
"""Opens what an address of this very service stands for; None where it is none."""


@dataclass(frozen=True)
class _FetchedFile:
    path: str
    file_name: str | None
    media_type: str | None


class Sources:
    """Opens uploads.

    Parameters
    ----------
    policy : FetchPolicy
        From where files may be fetched.
    own : callable
        Opens stored results of this service, which need no fetching.
    scratch : ScratchBooks
        Counts what is fetched while it is here.
    """

    def __init__(self, policy: FetchPolicy, own: OwnFiles, scratch: ScratchBooks) -> None:
        self._policy = policy
        self._own = own
        self._scratch = scratch

    @contextmanager
    def open(self, upload: Upload, files: SentFiles, caller: Caller, check: Callable[[], object]) -> Iterator[SentFile]:
        """Hold the file of an upload; `check` is called now and then and may raise.

        Raises
        ------
        ServiceError
            Why it cannot be had.
        """
        if upload.part is not None:
            if upload.part not in files:
                sent = ", ".join(files) or "none"
                raise ParameterError(
                    "UPLOAD",
                    f"the request has no part {upload.part[:60]!r} with a file.",
                    hint=f"Send it as multipart/form-data. The parts with files: {sent[:200]}.",
                )
            yield files[upload.part]
            return
        own = self._own(upload.uri, caller)
        if own is not None:
            with own as file:
                yield file
            return
        with self._scratch.taking(caller.account) as take, tempfile.TemporaryFile() as fetched:
            found = fetch(upload.uri, fetched, policy=self._policy, cancelled=lambda: bool(check()), take=take)
            fetched.flush()
            name = found.final_url.partition("?")[0].rpartition("/")[2]
            yield _FetchedFile(f"/proc/self/fd/{fetched.fileno()}", name, found.media_type)
