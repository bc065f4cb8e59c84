"""Files below one folder: on a local disk, or wherever `pyarrow.fs` reaches (s3:// for several hosts).

A file appears under its path when it is complete and safe from a crash, and not at all otherwise.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.fs

from vo.core.errors import ConfigurationError, LimitError, NotFoundError, UnavailableError

BUFFER_BYTES = 1 << 18
"""Small pieces are gathered to this size; what is larger goes to the disk as it is, without a copy."""

DELETIONS = 10
"""How often a folder is deleted in which others delete at the same time."""

_URI = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_KEYS = re.compile(r"://[^/@\s]*@")


@contextmanager
def translated() -> Iterator[None]:
    """Turn errors of a disk or a file system into ours, which name no path of the server.

    Raises
    ------
    LimitError
        If the disk, or what this service may use of it, is full.
    NotFoundError
        If a file or folder is missing.
    UnavailableError
        If anything else fails.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise NotFoundError("The file is not there; it may have been deleted.") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise LimitError(
                "The disk for results is full.", hint="Try again later, or select fewer rows or columns."
            ) from error
        raise UnavailableError(
            "The files of results cannot be reached at present.", hint="Try again in a moment."
        ) from error


class StoredWriter(ABC):
    """One file while it is written, by a single thread, inside a ``with`` block.

    Left normally, the file is complete and stays; left by an exception, nothing of it remains. A file that was there
    before is replaced as a whole, and those who read it at the time read on.

    Attributes
    ----------
    size : int
        Bytes written so far.
    """

    def __init__(self) -> None:
        self.size = 0
        self._file: Any = None

    def write(self, block: bytes | memoryview | pa.Buffer) -> None:
        """Append a block, which nobody may change any more: where blocks are sent away it is not copied."""
        with translated():
            self.size += self._file.write(block)

    def __enter__(self) -> Self:
        with translated():
            self._file = self._open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            try:
                with translated():
                    self._keep()
            except BaseException:
                self._drop()
                raise
        else:
            self._drop()

    def _drop(self) -> None:
        with suppress(OSError):  # a full disk refuses what is still buffered, and what went wrong before matters more
            self._file.close()
        with suppress(OSError):
            self._remove()

    @abstractmethod
    def _open(self) -> Any:
        """Make the folders and open the file."""

    @abstractmethod
    def _keep(self) -> None:
        """Close the file and make it last."""

    @abstractmethod
    def _remove(self) -> None:
        """Delete what was written."""


class _LocalWriter(StoredWriter):
    """Write beside the path, under a hidden name, and move the complete file there."""

    def __init__(self, root: Path, path: PurePosixPath) -> None:
        super().__init__()
        self._root = root
        self._path = root / path
        self._partial = self._path.with_name(f".{path.name}.{secrets.token_hex(4)}")

    def _open(self) -> Any:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return self._partial.open("xb", buffering=BUFFER_BYTES)

    def _keep(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._partial = self._partial.replace(self._path)
        folder = self._path
        while folder != self._root:  # the folders may be as new as the file
            folder = folder.parent
            _sync_folder(folder)

    def _remove(self) -> None:
        self._partial.unlink(missing_ok=True)


class _RemoteWriter(StoredWriter):
    """Write through `pyarrow.fs`; object stores show a file only after it was closed, and keep it safe from then on."""

    def __init__(self, system: pyarrow.fs.FileSystem, path: str) -> None:
        super().__init__()
        self._system = system
        self._path = path

    def _open(self) -> Any:
        self._system.create_dir(self._path.rpartition("/")[0], recursive=True)
        return self._system.open_output_stream(self._path)

    def _keep(self) -> None:
        self._file.close()

    def _remove(self) -> None:
        self._system.delete_file(self._path)


class FileStore:
    """Files below one folder of a file system; usable from any thread.

    Paths are relative to the folder and "/"-separated on every system. They are made by the service and never taken
    from a request: one that leads elsewhere is a bug (ValueError).

    Parameters
    ----------
    uri : str or pathlib.Path
        A local folder, made if missing, or a URI that pyarrow.fs knows (file://, s3://, gs:// …).

    Raises
    ------
    ConfigurationError
        If the folder cannot be made or written to.
    """

    def __init__(self, uri: str | Path) -> None:
        text = str(uri)
        try:
            self._system, self._root = pyarrow.fs.FileSystem.from_uri(
                text if _URI.match(text) else os.path.abspath(text)
            )
            self._system.create_dir(self._root, recursive=True)
        except (OSError, pa.ArrowException) as error:
            number = getattr(error, "errno", None)
            reason = os.strerror(number) if number else str(error).rstrip(".")
            message = f"The folder for results, {text}, cannot be used: {reason}."
            raise ConfigurationError(
                _KEYS.sub("://…@", message),  # s3://key:secret@bucket
                hint="Name a local folder that the service may write to, or a URI such as s3://bucket/folder?region=….",
            ) from None
        self._local = Path(self._root) if isinstance(self._system, pyarrow.fs.LocalFileSystem) else None
        if self._local is not None and not os.access(self._local, os.W_OK | os.X_OK):
            raise ConfigurationError(
                f"The service may not write to the folder for results, {text}.",
                hint="Give it to the user who runs the service (chown), or name another folder.",
            )

    def write(self, path: str) -> StoredWriter:
        """Return a writer of a new file, to be used in a ``with`` block; parent folders are made."""
        checked = _checked(path)
        if self._local is not None:
            return _LocalWriter(self._local, checked)
        return _RemoteWriter(self._system, self._full(path))

    def open(self, path: str) -> pa.NativeFile:
        """Open a file for reading at random.

        Raises
        ------
        NotFoundError
            If there is no such file.
        """
        with translated():
            return self._system.open_input_file(self._full(path))

    @contextmanager
    def local(self, path: str) -> Iterator[Path]:
        """Hold a file where libraries can open it by name; from other systems it is copied to this machine.

        Raises
        ------
        NotFoundError
            If there is no such file.
        """
        if self._local is not None:
            file = self._local / _checked(path)
            if not file.is_file():
                raise NotFoundError("The file is not there; it may have been deleted.")
            yield file
            return
        with self.open(path) as source, tempfile.TemporaryFile() as copy:
            with translated():
                shutil.copyfileobj(source, copy, BUFFER_BYTES)
                copy.flush()
            yield Path(f"/proc/self/fd/{copy.fileno()}")

    def read_small(self, path: str) -> bytes | None:
        """Return the content of a file that fits into memory, None if there is none."""
        try:
            with self.open(path) as file, translated():
                return bytes(file.read())
        except NotFoundError:
            return None

    def size(self, path: str) -> int | None:
        """Return the size of a file in bytes, None if there is none."""
        with translated():
            found = self._system.get_file_info(self._full(path))
        return int(found.size) if found.type == pyarrow.fs.FileType.File else None

    def copy(self, path: str, new_path: str) -> None:
        """Put a file under another path too, sharing its content where the system can: files are never changed.

        Raises
        ------
        NotFoundError
            If there is no such file.
        """
        source, target = self._full(path), self._full(new_path)
        with translated():
            self._system.create_dir(target.rpartition("/")[0], recursive=True)
            if self._local is not None:
                try:
                    os.link(source, target)
                except FileNotFoundError:
                    raise
                except OSError:  # a file system without links, or with too many of them
                    pass
                else:
                    return
            self._system.copy_file(source, target)

    def delete_folder(self, path: str) -> None:
        """Delete a folder with everything below it; one that is missing is fine."""
        full = self._full(path)
        for _ in range(DELETIONS):
            with translated():
                try:
                    self._system.delete_dir(full)
                except FileNotFoundError:
                    # It is gone, or somebody deleted inside it at the same time, and the rest is still there.
                    if self._system.get_file_info(full).type == pyarrow.fs.FileType.NotFound:
                        return
                else:
                    return

    def folders(self, path: str = "") -> list[tuple[str, datetime | None]]:
        """Return the names of the folders directly inside one, each with its modification time where that is known."""
        full = self._full(path) if path else self._root
        with translated():
            found = self._system.get_file_info(pyarrow.fs.FileSelector(full, allow_not_found=True))
        return [(entry.base_name, entry.mtime) for entry in found if entry.type == pyarrow.fs.FileType.Directory]

    def free(self) -> int | None:
        """Return the free bytes of a local disk, None for other file systems."""
        if self._local is None:
            return None
        with translated():
            return shutil.disk_usage(self._local).free

    def _full(self, path: str) -> str:
        return f"{self._root.rstrip('/')}/{_checked(path)}"


def _checked(path: str) -> PurePosixPath:
    if "\\" in path or "\0" in path or any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError(f"not a path inside the store: {path!r}")
    return PurePosixPath(path)


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
