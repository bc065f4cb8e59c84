from __future__ import annotations

from base64 import b64encode

from hypothesis import given
from hypothesis import strategies as st

from vo.core.tables.writers.base64_stream import LINE, Base64Stream


@given(st.lists(st.binary(max_size=10)))
def test_pieces_give_one_base64_text(pieces: list[bytes]) -> None:
    stream = Base64Stream()
    text = b"".join(line for piece in pieces for line in stream.encode(memoryview(piece))) + stream.finish()
    assert text.replace(b"\n", b"") == b64encode(b"".join(pieces))


def test_lines_are_bounded() -> None:
    data = bytes(range(256)) * (3 * LINE // 256) + b"xy"
    stream = Base64Stream()
    lines = [*stream.encode(memoryview(b"a")), *stream.encode(memoryview(data)), stream.finish()]
    assert max(map(len, lines)) <= LINE // 3 * 4 + 1
    assert b"".join(lines).replace(b"\n", b"") == b64encode(b"a" + data)
