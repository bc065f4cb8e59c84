"""What a job keeps for its next attempt, or for a job that goes on with it: a state, and files that belong to it.

The state is one small file that is replaced as a whole and names the others, which never change. So what counts is
always one whole: files that no state names, and those of an attempt that was cut off, are nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

import pyarrow as pa

from uws.folders import checkpoint_folder, checkpoint_of
from vo.core.files import FileStore, StoredWriter

INHERITED = "0"
"""Folder of the files of an earlier job; attempts are counted from 1."""
_MARK = b"checkpoint 1\n"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is kept.

    Attributes
    ----------
    state : bytes
        Whatever its owner wants to know again.
    parts : tuple of (str, int)
        Folders of files that belong to it, and how many there are in each; they are called by their numbers from 0.
    size : int
        Bytes of all of these.
    """

    state: bytes
    parts: tuple[tuple[str, int], ...] = ()
    size: int = 0

    @property
    def paths(self) -> Iterator[str]:
        """Its files, in the order in which they were made."""
        for folder, count in self.parts:
            for number in range(count):
                yield f"{folder}/{number}"

    def encoded(self) -> bytes:
        """Return it as a file."""
        about = {"parts": self.parts, "size": self.size, "digest": blake2b(self.state).hexdigest()}
        return b"".join((_MARK, json.dumps(about).encode(), b"\n", self.state))

    @classmethod
    def decoded(cls, content: bytes) -> Checkpoint | None:
        """Return what a file says, None if it is no checkpoint or not whole."""
        if not content.startswith(_MARK):
            return None
        head, _, state = content[len(_MARK) :].partition(b"\n")
        try:
            about = json.loads(head)
            parts = tuple((str(folder), int(count)) for folder, count in about["parts"])
            if blake2b(state).hexdigest() != about["digest"] or not all(folder.isalnum() for folder, _ in parts):
                return None
            return cls(state, parts, int(about["size"]))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None


class Checkpoints:
    """The checkpoint of one job in the file store.

    Parameters
    ----------
    files : FileStore
        Where it is.
    job_id : str
        Whose.
    """

    def __init__(self, files: FileStore, job_id: str) -> None:
        self._files = files
        self._folder = checkpoint_folder(job_id)
        self._path = checkpoint_of(job_id)

    @property
    def there(self) -> bool:
        """Whether there is one, whole or not."""
        return self._files.size(self._path) is not None

    def load(self) -> Checkpoint | None:
        """Return what was saved last; None where there is nothing, or nothing that is whole."""
        content = self._files.read_small(self._path)
        return None if content is None else Checkpoint.decoded(content)

    def save(self, checkpoint: Checkpoint) -> None:
        """Replace it."""
        with self._files.write(self._path) as stored:
            stored.write(checkpoint.encoded())

    def write(self, folder: str, number: int) -> StoredWriter:
        """Return a writer of one of its files, to be used in a ``with`` block; the next state may name it then."""
        return self._files.write(f"{self._folder}/{folder}/{number}")

    def open(self, path: str) -> pa.NativeFile:
        """Open one of its files.

        Raises
        ------
        NotFoundError
            If it is not there.
        """
        return self._files.open(f"{self._folder}/{path}")

    def tidy(self, checkpoint: Checkpoint | None) -> None:
        """Remove what attempts have left that it does not name."""
        if checkpoint is None:
            self.forget()
            return
        named = {folder for folder, _ in checkpoint.parts}
        for folder, _ in self._files.folders(self._folder):
            if folder not in named:
                self._files.delete_folder(f"{self._folder}/{folder}")

    def forget(self) -> None:
        """Remove all of it."""
        self._files.delete_folder(self._folder)

    def take_over(self, other: Checkpoints, checkpoint: Checkpoint) -> None:
        """Take the checkpoint of another job, without its files being copied where the file system can share them.

        Raises
        ------
        NotFoundError
            If they are gone.
        """
        for number, path in enumerate(checkpoint.paths):
            self._files.copy(f"{other._folder}/{path}", f"{self._folder}/{INHERITED}/{number}")
        count = sum(count for _, count in checkpoint.parts)
        self.save(Checkpoint(checkpoint.state, ((INHERITED, count),) if count else (), checkpoint.size))
