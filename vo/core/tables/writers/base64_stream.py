"""One base64 text made of data that arrive in pieces."""

from __future__ import annotations

from binascii import b2a_base64

LINE = 3 << 18
"""Bytes that become one line of the text: a multiple of 3; lines of 1 MiB keep the copies in the cache."""


class Base64Stream:
    """Encodes pieces so that their texts, one after the other, are one valid base64 text.

    The one or two bytes that do not fill a group of three wait for the next piece.
    """

    def __init__(self) -> None:
        self._rest = b""

    def encode(self, data: memoryview) -> list[bytes]:
        """Return the text of all complete groups of three bytes, in lines of at most 1 MiB."""
        missing = -len(self._rest) % 3
        head = self._rest + data[:missing]
        if len(head) % 3:
            self._rest = head
            return []
        end = len(data) - (len(data) - missing) % 3
        lines = [b2a_base64(data[start : min(start + LINE, end)]) for start in range(missing, end, LINE)]
        self._rest = bytes(data[end:])
        return [b2a_base64(head, newline=False), *lines] if head else lines

    def finish(self) -> bytes:
        """Return the text of what is left, padded."""
        return b2a_base64(self._rest) if self._rest else b""
