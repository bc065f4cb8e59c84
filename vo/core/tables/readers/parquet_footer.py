"""What a Parquet file becomes in memory, found out before it is unpacked: from its footer and the headers of its pages.

A page may unpack to a thousand times its size, and ten values in a file may be a billion in memory: runs of equal ones
are stored once. pyarrow has some of these numbers, but asked for them it ends the whole process when a footer is
damaged (in `RowGroupMetaData.column`, seen in 26.0). So the few that are needed are read here, from Thrift's compact
protocol, in which both are written (parquet.thrift of Apache's parquet-format).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vo.core.errors import TableError
from vo.core.tables.readers.limits import TableLimits

_TAIL = 8
_LONGEST = 16 << 20
_MOST_STEPS = 4_000_000
_DEEPEST = 16
_TRUE, _FALSE, _BYTE, _INTEGERS, _DOUBLE, _BINARY, _LISTS, _STRUCT = 1, 2, 3, {4, 5, 6}, 7, 8, {9, 10}, 12

# Numbers of fields: of FileMetaData, RowGroup and ColumnChunk, of ColumnMetaData, of PageHeader.
_ROW_GROUPS, _COLUMNS, _METADATA = 4, 1, 3
_VALUES, _PACKED, _DATA, _DICTIONARY = 5, 7, 9, 11
_PAGE_UNPACKED, _PAGE_PACKED = 2, 3


def check_pages(content: memoryview, limits: TableLimits) -> list[int]:
    """Return for each row group how many values its columns have together; a list has one for each of its elements.

    Raises
    ------
    TableError
        If the footer or the header of a page is damaged.
    LimitError
        If a page unpacks to more than a row may have, or all of them to more than the file may.
    """
    end = len(content) - _TAIL
    length = int.from_bytes(content[end : end + 4], "little")
    if not 0 < length <= min(end, _LONGEST):
        raise TableError(f"The Parquet footer has {length} bytes; it may have {_LONGEST}.")
    counts = []
    unpacked = 0
    try:
        for group in _Reader(content[:end], end - length).struct().get(_ROW_GROUPS, []):
            chunks = [chunk[_METADATA] for chunk in group[_COLUMNS]]
            counts.append(sum(max(0, chunk[_VALUES]) for chunk in chunks))
            for chunk in chunks:
                for size in _page_sizes(content[:end], chunk):
                    limits.check_row(size)
                    unpacked += size
                    limits.check_unpacked(unpacked)
    except (IndexError, KeyError, TypeError, AttributeError) as error:
        raise TableError("The Parquet file is damaged: its footer leads nowhere.") from error
    return counts


def _page_sizes(content: memoryview, chunk: dict[int, Any]) -> Iterator[int]:
    """Yield what the headers of the pages of a column chunk say that these unpack to."""
    starts = [start for start in (chunk[_DATA], chunk.get(_DICTIONARY, 0)) if start > 0]
    if not starts:  # a row group without rows
        return
    at = min(starts)
    end = at + chunk[_PACKED]
    while at < end:
        reader = _Reader(content, at)
        header = reader.struct()
        yield header[_PAGE_UNPACKED]
        at = reader.at + max(0, header[_PAGE_PACKED])


class _Reader:
    """A place in bytes of Thrift's compact protocol."""

    def __init__(self, content: memoryview, at: int) -> None:
        if at < 0:
            raise IndexError(at)
        self._content = content
        self._steps = 0
        self.at = at

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """Return the numbers, structs and lists of a struct by the numbers of its fields; texts are passed over."""
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            step = head >> 4
            number = number + step if step else self._integer()
            fields[number] = self._value(head & 15, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if depth > _DEEPEST:
            raise TableError("The Parquet footer is damaged: it is nested without end.")
        if kind in _INTEGERS:
            return self._integer()
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in _LISTS:
            head = self._byte()
            count = self._varint() if head >> 4 == 15 else head >> 4
            element = head & 15
            return [self._value(_BYTE if element in {_TRUE, _FALSE} else element, depth + 1) for _ in range(count)]
        if kind == _BYTE:
            return self._byte()
        if kind in {_DOUBLE, _BINARY}:
            length = 8 if kind == _DOUBLE else self._varint()
            self.at += length
        elif kind not in {_TRUE, _FALSE}:
            raise TableError("The Parquet footer is damaged: it holds something unknown.")
        return None

    def _byte(self) -> int:
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise TableError("The Parquet footer has too many entries.")
        value = self._content[self.at]
        self.at += 1
        return value

    def _varint(self) -> int:
        value = shift = 0
        while (byte := self._byte()) & 0x80:
            value |= (byte & 0x7F) << shift
            shift += 7
            if shift > 63:
                raise TableError("The Parquet footer is damaged: it holds a number without end.")
        return value | byte << shift

    def _integer(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)
