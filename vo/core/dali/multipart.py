"""Bodies of type multipart/form-data: short texts are parameters, files go to the disk while they arrive (RFC 7578).

A file has no name on the disk: whatever happens to the process, nothing of it is left.
"""

from __future__ import annotations

import errno
import tempfile
from codecs import lookup
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from vo.core.errors import LimitError, TooLargeError, UsageError
from vo.core.scratch import unlimited

MAX_FIELDS = 1000
"""Parts, or parameters, of one request."""
MAX_FILES = 100
"""Each is an open file of this process."""
TEXT = b"text/plain"
PLAIN_TRANSFERS = frozenset({"", "7bit", "8bit", "binary"})
"""Transfer encodings that change nothing; HTTP needs no other."""


@dataclass
class SentFile:
    """A file that came with a request; open until the request ends.

    Attributes
    ----------
    part : str
        Name of its part, by which parameters refer to it.
    file_name : str or None
        What the client calls it.
    media_type : str or None
        What the client says it is, with parameters.
    file : file object
        At its beginning.
    size : int
        In bytes.
    """

    part: str
    file_name: str | None
    media_type: str | None
    file: IO[bytes]
    size: int = 0

    @property
    def path(self) -> str:
        """Where this process can open it once more."""
        return f"/proc/self/fd/{self.file.fileno()}"


class SentFiles(Mapping[str, SentFile]):
    """Files by the names of their parts; a name in other letters' case finds the one file that it can mean."""

    def __init__(self) -> None:
        self._files: dict[str, SentFile] = {}

    def __getitem__(self, part: str) -> SentFile:
        if (file := self._files.get(part)) is not None:
            return file
        [*near] = (file for name, file in self._files.items() if name.lower() == part.lower())
        if len(near) != 1:
            raise KeyError(part)
        return near[0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def add(self, file: SentFile) -> None:
        """Add a file.

        Raises
        ------
        UsageError
            If there is one of this name.
        """
        if file.part in self._files:
            file.file.close()
            raise UsageError(f"Two parts with files are called {_shown(file.part)}.", hint="Give each its own name.")
        if len(self._files) == MAX_FILES:
            file.file.close()
            raise UsageError(f"The request has more than {MAX_FILES} files.")
        self._files[file.part] = file

    def forget(self, file: SentFile) -> None:
        """Close and remove a file."""
        del self._files[file.part]
        file.file.close()

    def close(self) -> None:
        """Close all files, and so delete them."""
        for file in self._files.values():
            with suppress(OSError):  # a full disk refuses what is still buffered
                file.file.close()


class MultipartReader:
    """Takes a body block by block, in any one thread at a time.

    Parameters
    ----------
    options : mapping
        Parameters of the body's media type: boundary and charset.
    max_text : int
        Most bytes of all parameters.
    max_upload : int
        Most bytes of all files.
    take : callable
        Told the size of each piece of a file before it is written; it may raise.

    Attributes
    ----------
    pairs : list of (str, str)
        Parameters.
    files : SentFiles
        Files; whoever made the reader closes them.
    text_bytes : int
        Bytes of the parameters so far.

    Raises
    ------
    UsageError
        Here and by `feed` and `end`, if the body is malformed.
    """

    def __init__(
        self, options: Mapping[bytes, bytes], *, max_text: int, max_upload: int, take: Callable[[int], None] = unlimited
    ) -> None:
        self.pairs: list[tuple[str, str]] = []
        self.files = SentFiles()
        self.text_bytes = 0
        self._max_text = max_text
        self._max_upload = max_upload
        self._take = take
        self._charset = _charset(options.get(b"charset", b"utf-8").decode("latin-1"))
        boundary = options.get(b"boundary", b"")
        if not boundary:
            raise malformed("its Content-Type has no boundary")
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": self._header_name,
                    "on_header_value": self._header_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._open_part,
                    "on_part_data": self._data,
                    "on_part_end": self._end_part,
                    "on_end": self._note_end,
                },
            )
        except FormParserError:
            raise malformed("its boundary is too long") from None
        self._ended = False
        self._parts = 0
        self._file_bytes = 0
        self._headers: dict[bytes, bytes] = {}
        self._header: tuple[bytearray, bytearray] = (bytearray(), bytearray())
        self._name = ""
        self._part_charset = self._charset
        self._text = bytearray()
        self._file: SentFile | None = None

    def feed(self, block: bytes) -> None:
        """Take the next block of the body.

        Raises
        ------
        TooLargeError
            If parameters or files are larger than they may be.
        LimitError
            If the disk is full.
        """
        try:
            self._parser.write(block)
        except FormParserError as error:
            raise malformed(_reason(error)) from None

    def end(self) -> None:
        """Take the body's end.

        Raises
        ------
        UsageError
            If it came too early: nothing of what was sent is to be trusted.
        """
        if not self._ended:
            raise malformed("it ends before its last boundary")

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > MAX_FIELDS:
            raise UsageError(f"The multipart body has more than {MAX_FIELDS} parts.")
        self._headers.clear()
        self._text.clear()
        self._file = None

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def _end_header(self) -> None:
        name, value = self._header
        self._headers[bytes(name).lower()] = bytes(value)
        self._header = bytearray(), bytearray()

    def _open_part(self) -> None:
        """Learn from its headers what a part is."""
        disposition, about = parse_options_header(self._headers.get(b"content-disposition"))
        if disposition != b"form-data" or b"name" not in about:
            raise malformed("a part has no Content-Disposition: form-data with a name")
        self._name = _text(about[b"name"], "utf-8", "the name of a part")
        transfer = self._headers.get(b"content-transfer-encoding", b"").decode("latin-1").strip().lower()
        if transfer not in PLAIN_TRANSFERS:
            raise malformed(
                f"the part {_shown(self._name)} has the Content-Transfer-Encoding {_shown(transfer)}; HTTP has none"
            )
        content_type = self._headers.get(b"content-type")
        media_type, options = parse_options_header(content_type)
        if b"filename" in about or media_type.strip() not in (b"", TEXT):
            file_name = about.get(b"filename", b"").decode("utf-8", "replace")
            declared = None if content_type is None else content_type.decode("latin-1").strip()
            if "\0" in f"{file_name}{declared}":  # no text of PostgreSQL holds one
                raise malformed(f"the name or the type of the file {_shown(self._name)} contains a NUL character")
            with disk_full_told():
                file = tempfile.TemporaryFile()  # noqa: SIM115  # open until the request ends
            self._file = SentFile(self._name, file_name or None, declared, file)
            self.files.add(self._file)
        elif b"charset" in options:
            self._part_charset = _charset(options[b"charset"].decode("latin-1"))
        else:
            self._part_charset = self._charset

    def _data(self, data: bytes, start: int, end: int) -> None:
        size = end - start
        if self._file is None:
            self.text_bytes += size
            if self.text_bytes > self._max_text:
                raise TooLargeError(
                    f"The parameters of the request are larger than the limit of {self._max_text} bytes.",
                    hint="Send a table as a file: a part with a filename.",
                )
            self._text += data[start:end]
            return
        self._file_bytes += size
        if self._file_bytes > self._max_upload:
            raise TooLargeError(
                f"With the part {_shown(self._name)} the files of the request are larger than the limit of "
                f"{self._max_upload} bytes."
            )
        self._take(size)
        self._file.size += size
        with disk_full_told():
            self._file.file.write(memoryview(data)[start:end])

    def _end_part(self) -> None:
        if self._file is None:
            value = _text(bytes(self._text), self._part_charset, f"the part {_shown(self._name)}")
            self.pairs.append((self._name, value))
        elif self._file.file_name is None and not self._file.size:  # a field of a form, where no file was chosen
            self.files.forget(self._file)
        else:
            with disk_full_told():
                self._file.file.flush()
                self._file.file.seek(0)

    def _note_end(self) -> None:
        self._ended = True


@contextmanager
def disk_full_told() -> Iterator[None]:
    """Tell a client in words that temporary files find no room."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise LimitError("The disk for uploads is full.", hint="Send a smaller table, or try again later.") from error


def malformed(reason: str) -> UsageError:
    """Return the error of a body that is not multipart/form-data."""
    return UsageError(f"The multipart body cannot be read: {reason}.")


def _charset(name: str) -> str:
    try:
        "".encode(name)  # some codecs are not for text
        return lookup(name).name
    except (LookupError, ValueError):
        raise malformed(f"nobody knows the charset {_shown(name)}") from None


def _text(encoded: bytes, charset: str, what: str) -> str:
    try:
        text = encoded.decode(charset)
    except (UnicodeError, ValueError):
        raise malformed(f"{what} is not {charset} text") from None
    if "\0" in text:
        raise malformed(f"{what} contains a NUL character")
    return text


def _reason(error: FormParserError) -> str:
    """Say what the parser means, without its offsets."""
    text = str(error)
    if "Maximum header" in text:
        return "a part has too many or too long headers"
    return "a header of a part is wrong" if "header" in text else "its boundaries are wrong"


def _shown(name: str) -> str:
    return repr(name if len(name) <= 40 else name[:40] + "…")
