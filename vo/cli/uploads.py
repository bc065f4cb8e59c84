"""Tables that go with a query: what ``--upload`` says of them, and how they are sent to another service."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tap.upload.models import INLINE, read_uploads
from vo.core.errors import UsageError
from vo.core.tables.readers import FORMATS

BLOCK_BYTES = 1 << 20
OTHER_TYPE = "application/octet-stream"
HOW = "Such as --upload mine=stars.fits, and FROM TAP_UPLOAD.mine in the query."


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of this machine, as a part of a request.

    Attributes
    ----------
    part : str
        Its name in the request, and the table's in TAP_UPLOAD.
    path : str
        Where it is.
    file_name : str
        What it is called, without its folder.
    media_type : str
        By its name, for services that go by it.
    size : int
        In bytes.
    """

    part: str
    path: str
    file_name: str
    media_type: str
    size: int


@dataclass(frozen=True, slots=True)
class Uploads:
    """The tables of one query.

    Attributes
    ----------
    parameter : str
        Value of UPLOAD; empty without tables.
    files : mapping of str to LocalFile
        Those that are files, by the names of their parts.
    """

    parameter: str
    files: Mapping[str, LocalFile]


def uploads_of(values: Sequence[str]) -> Uploads:
    """Read what is given with ``--upload``: NAME=FILE or NAME=URL each.

    Raises
    ------
    UsageError
        If one is something else, or its file cannot be read.
    ParameterError
        If a table cannot have this name.
    """
    pairs: list[str] = []
    files: dict[str, LocalFile] = {}
    for value in values:
        name, _, source = (part.strip() for part in value.partition("="))
        if not name or not source:
            raise UsageError(f"--upload {value!r} is not NAME=FILE.", hint=HOW)
        if re.match(r"https?://", source, re.IGNORECASE):
            pairs.append(f"{name},{source}")
        else:
            pairs.append(f"{name},{INLINE}{name}")
            files[name] = _local_file(name, Path(source))
    read_uploads(pairs)
    return Uploads(";".join(pairs), files)  # some services take UPLOAD once only


def _local_file(name: str, path: Path) -> LocalFile:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", hint=HOW) from None
    return LocalFile(name, str(path), path.name, _media_type(path.name), size)


def _media_type(name: str) -> str:
    suffix = Path(name).suffix.lower()
    return next((known.media_types[0] for known in FORMATS if suffix in known.suffixes), OTHER_TYPE)


class MultipartBody:
    """A body of type multipart/form-data, read from the disk while it is sent.

    Parameters
    ----------
    parameters : sequence of (name, value)
        Parameters of the request.
    files : sequence of LocalFile
        Its files.
    on_sent : callable
        Told how many bytes of how many were taken.
    """

    def __init__(
        self, parameters: Sequence[tuple[str, str]], files: Sequence[LocalFile], on_sent: Callable[[int, int], None]
    ) -> None:
        self._files = files
        self._on_sent = on_sent
        self._boundary = secrets.token_hex(16)
        texts = (f"{self._head(name)}\r\n{value}\r\n" for name, value in parameters)
        self._parameters = "".join(texts).encode()
        self._heads = [
            f"{self._head(file.part, file.file_name)}Content-Type: {file.media_type}\r\n\r\n".encode() for file in files
        ]
        self._end = f"--{self._boundary}--\r\n".encode()

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the request."""
        length = len(self._parameters) + len(self._end)
        length += sum(len(head) + file.size + 2 for head, file in zip(self._heads, self._files, strict=True))
        return {
            "Content-Type": f"multipart/form-data; boundary={self._boundary}",
            "Content-Length": str(length),
        }

    def __iter__(self) -> Iterator[bytes]:
        """Yield the body in blocks.

        Raises
        ------
        UsageError
            If a file became shorter meanwhile, or cannot be read any more.
        """
        total, sent = int(self.headers["Content-Length"]), 0
        for block in self._blocks():
            yield block
            sent += len(block)
            self._on_sent(sent, total)

    def _blocks(self) -> Iterator[bytes]:
        yield self._parameters
        for head, file in zip(self._heads, self._files, strict=True):
            yield head
            yield from _content(file)
            yield b"\r\n"
        yield self._end

    def _head(self, name: str, file_name: str | None = None) -> str:
        """Return the first lines of a part, its names written as browsers write them."""
        about = f'; filename="{_quoted(file_name)}"' if file_name is not None else ""
        return f'--{self._boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"{about}\r\n'


def _content(file: LocalFile) -> Iterator[bytes]:
    left = file.size
    try:
        with Path(file.path).open("rb") as content:
            while left and (block := content.read(min(left, BLOCK_BYTES))):
                left -= len(block)
                yield block
    except OSError as error:
        raise UsageError(f"{file.path} cannot be read: {error.strerror}.") from None
    if left:
        raise UsageError(f"{file.path} became shorter while it was sent.")


def _quoted(name: str) -> str:
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
