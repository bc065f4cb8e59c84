"""One base64 text made of data that arrive in pieces."""

from __future__ import annotations

from pybase64 import b64encode

LINE = 3 << 18
"""Bytes that are encoded at once: a multiple of 3; texts of 1 MiB stay in the cache."""


class Base64Stream:
    """Encodes pieces so that their texts, one after the other, are one valid base64 text.

    The one or two bytes that do not fill a group of three wait for the next piece.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._break = b""  # before the next line: a copy of a line to add a character takes longer than to encode it

    def encode(self, data: memoryview) -> list[bytes]:
        """Return the text of all complete groups of three bytes, in pieces of at most 1 MiB."""
        missing = -len(self._rest) % 3
        head = self._rest + data[:missing]
        if len(head) % 3:
            self._rest = head
            return []
        end = len(data) - (len(data) - missing) % 3
        lines = [b64encode(data[start : min(start + LINE, end)]) for start in range(missing, end, LINE)]
        self._rest = bytes(data[end:])
        before = self._break + b64encode(head)
        self._break = b"\n"
        return [before, *lines] if before else lines

    def finish(self) -> bytes:
        """Return the text of what is left, padded."""
        return self._break + b64encode(self._rest) + b"\n" if self._rest else self._break
