"""Files as byte streams, and the one place where errors of libraries become errors of ours."""

from __future__ import annotations

import gzip
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from vo.core.errors import ServiceError, TableError

BLOCK = 2 << 20
"""Bytes read at a time; batches come out at about this size."""

MAX_ROW = 256 << 20
"""Bytes of the largest row that is read; what claims to be longer is a damaged file or an attack on the memory."""

_GZIP = b"\x1f\x8b"


def is_gzip(path: Path) -> bool:
    """Return whether a file begins as gzip files do (RFC 1952, section 2.3.1)."""
    with path.open("rb") as file:
        return file.read(2) == _GZIP


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading from start to end; a gzip file is unpacked while it is read."""
    if is_gzip(path):
        with gzip.open(path, "rb") as unpacked:
            yield cast("IO[bytes]", unpacked)
    else:
        with path.open("rb") as file:
            yield file


@contextmanager
def open_seekable(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading in any order; a gzip file is unpacked into an anonymous temporary file first."""
    if not is_gzip(path):
        with path.open("rb") as file:
            yield file
        return
    with gzip.open(path, "rb") as packed, tempfile.TemporaryFile() as unpacked:
        shutil.copyfileobj(packed, unpacked, BLOCK)
        unpacked.flush()
        with open(unpacked.fileno(), "rb", closefd=False) as file:  # Astropy insists on a file that is not for writing
            file.seek(0)
            yield file


@contextmanager
def translated(label: str) -> Iterator[None]:
    """Turn every error of a library into a `TableError` that names the format and gives the library's reason.

    A reader works on files of strangers, so whatever goes wrong below it is a fault of the file as far as the client
    is concerned; the cause is chained for the log. Readers hand open files to libraries, never paths, so that no
    message can hold one.
    """
    try:
        yield
    except (ServiceError, MemoryError):
        raise
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise TableError(f"{label}: the compressed data are damaged or end too early.") from error
    except OSError as error:
        raise TableError(f"{label}: the file cannot be read: {_reason(error)}.") from error
    except Exception as error:
        raise TableError(f"{label}: the file is damaged or not of this format: {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    """Return the first line of an error's message, without the path that an operating system error carries."""
    text = (error.strerror if isinstance(error, OSError) and error.strerror else str(error)).strip()
    first = text.splitlines()[0] if text else type(error).__name__
    return first[:300].rstrip(". ")
