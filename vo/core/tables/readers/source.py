"""Files as byte streams, and the one place where errors of libraries become errors of ours."""

from __future__ import annotations

import errno
import gzip
import io
import mmap
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa
from isal import igzip, isal_zlib

from vo.core.errors import LimitError, ServiceError, TableError
from vo.core.tables.readers.limits import TableLimits

BLOCK = 2 << 20
"""Bytes read at a time; batches come out at about this size."""

_GZIP = b"\x1f\x8b"
_DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error, cast("type[Exception]", isal_zlib.error))


@dataclass(frozen=True, slots=True)
class Source:
    """A file to be read.

    Attributes
    ----------
    path : pathlib.Path
        It is opened as often as it is read, and never named in an error: it may be a temporary file of the server.
    limits : TableLimits
    keep : object, optional
        Lives as long as the source does: the anonymous file that `path` leads to.
    """

    path: Path
    limits: TableLimits = field(default_factory=TableLimits)
    keep: Any = None

    @property
    def is_gzip(self) -> bool:
        """Whether the file begins as gzip files do (RFC 1952, section 2.3.1)."""
        with self.path.open("rb") as file:
            return file.read(2) == _GZIP

    @contextmanager
    def opened(self) -> Iterator[io.BufferedReader]:
        """Open the file for reading from start to end; a gzip file is unpacked while it is read."""
        if self.is_gzip:
            with cast("IO[bytes]", igzip.open(self.path, "rb")) as unpacked:  # type: ignore[no-untyped-call]
                yield io.BufferedReader(_Counted(unpacked, self.limits), BLOCK)
        else:
            with self.path.open("rb") as file:
                yield file

    def mapped(self) -> pa.Buffer:
        """Return the bytes of a file that is not gzipped, mapped into memory: only what is looked at is read.

        Raises
        ------
        TableError
            If the file is empty.
        """
        with self.path.open("rb") as file:
            try:
                return pa.py_buffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            except ValueError:
                raise TableError("The file is empty.") from None

    def unpacked(self) -> Source:
        """Return a source that can be read in any order: a gzip file is unpacked into an anonymous temporary file."""
        if not self.is_gzip:
            return self
        kept = _Anonymous()
        with self.opened() as packed:
            while block := packed.read(BLOCK):
                kept.file.write(block)
        kept.file.flush()
        return Source(Path(f"/proc/self/fd/{kept.file.fileno()}"), self.limits, kept)


class _Anonymous:
    """A temporary file that is closed, and so gone, with the last source that needs it."""

    def __init__(self) -> None:
        self.file = tempfile.TemporaryFile()  # noqa: SIM115 - `__del__` closes it

    def __del__(self) -> None:
        self.file.close()


class _Counted(io.RawIOBase):
    """The unpacked bytes of a file, up to the limit."""

    def __init__(self, file: IO[bytes], limits: TableLimits) -> None:
        self._file = file
        self._limits = limits
        self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._file.read(len(buffer))
        self._size += len(block)
        self._limits.check_unpacked(self._size)
        buffer[: len(block)] = block
        return len(block)


@contextmanager
def translated(format: str, label: str | None = None) -> Iterator[None]:
    """Turn every error of a library into a `TableError` that names the format and gives the library's reason.

    A reader works on files of strangers, so whatever goes wrong below it is a fault of the file as far as the client
    is concerned; the cause is chained for the log. Readers hand open files to libraries, never paths, so that no
    message can hold one.

    Parameters
    ----------
    format : str
        Name of the format.
    label : str, optional
        What the client calls the file (``upload t``): every message begins with it.
    """
    try:
        yield
    except (TableError, LimitError) as error:
        if label is None:
            raise
        raise type(error)(f"{label}: {error.message}", hint=error.hint) from error
    except ServiceError:
        raise
    except _DAMAGED as error:
        raise _labelled(format, label, "the compressed data are damaged or end too early") from error
    except MemoryError as error:
        raise LimitError(f"{label or format}: the file needs more memory than there is.") from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise LimitError(f"{label or format}: there is no room for the unpacked file; try it later.") from error
        raise _labelled(format, label, f"the file cannot be read: {_reason(error)}") from error
    except Exception as error:
        raise _labelled(format, label, f"the file is damaged or not of this format: {_reason(error)}") from error


def _labelled(format: str, label: str | None, what: str) -> TableError:
    return TableError(f"{f'{label} ({format})' if label else format}: {what}.")


def _reason(error: Exception) -> str:
    """Return the first line of an error's message, without the path that an operating system error carries."""
    text = (error.strerror if isinstance(error, OSError) and error.strerror else str(error)).strip()
    first = text.splitlines()[0] if text else type(error).__name__
    return first[:300].rstrip(". ")
