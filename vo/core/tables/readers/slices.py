"""Pick many byte ranges out of a block at the speed of a copy."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

Bytes: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]
Integers: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]


def gather(block: Any, starts: Integers, ends: Integers) -> pa.Array:
    """Return the ranges ``block[start:end]`` as a binary array, contiguous and in order.

    The ranges and the gaps between them are seen as one Arrow array over the block itself (its offsets are
    start, end, start, end …), of which every second element is kept: one C loop, no index of single bytes.

    Parameters
    ----------
    block : buffer
        At most 2 GiB.
    starts, ends : numpy.ndarray of int64, shape (n,)
        Ascending and not overlapping: ``starts[i] <= ends[i] <= starts[i + 1]``.

    Returns
    -------
    pyarrow.BinaryArray of length n
    """
    count = len(starts)
    if count == 0:
        return pa.array([], pa.binary())
    offsets = np.empty(2 * count, np.int32)
    offsets[0::2] = starts
    offsets[1::2] = ends
    wanted = np.zeros(2 * count - 1, np.bool_)
    wanted[::2] = True
    ranges = pa.Array.from_buffers(pa.binary(), 2 * count - 1, [None, pa.py_buffer(offsets), pa.py_buffer(block)])
    return ranges.filter(pa.array(wanted))


def content(array: pa.Array) -> tuple[Bytes, Integers]:
    """Return the bytes of a binary or string array that starts at offset 0, and its n + 1 offsets."""
    _, offsets, data = array.buffers()
    if len(array) == 0:
        return np.empty(0, np.uint8), np.zeros(1, np.int64)
    bounds = np.frombuffer(offsets, np.int32, len(array) + 1).astype(np.int64)
    return np.frombuffer(data, np.uint8, int(bounds[-1])) if data is not None else np.empty(0, np.uint8), bounds


def strings(data: Any, offsets: Integers, absent: Any | None = None) -> pa.Array:
    """Return the string array of UTF-8 bytes and n + 1 offsets; nothing is copied and nothing is checked."""
    validity = None if absent is None else pa.array(~absent).buffers()[1]
    bounds = pa.py_buffer(offsets.astype(np.int32))
    return pa.Array.from_buffers(pa.string(), len(offsets) - 1, [validity, bounds, pa.py_buffer(data)])
