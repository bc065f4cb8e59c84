"""The registry of formats, and `open_table`, which finds the one a file is in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from vo.core.errors import TableError
from vo.core.tables.readers.binary import open_records
from vo.core.tables.readers.csv import open_csv, open_tsv
from vo.core.tables.readers.ecsv import open_ecsv
from vo.core.tables.readers.fits import open_fits
from vo.core.tables.readers.fixed_width import open_fixed_width
from vo.core.tables.readers.layout import FixedWidthLayout, Layout, RecordsLayout
from vo.core.tables.readers.parquet import open_parquet
from vo.core.tables.readers.selection import select
from vo.core.tables.readers.source import open_bytes, translated
from vo.core.tables.readers.votable import open_votable
from vo.core.tables.stream import TableStream

_HEAD = 4096


@dataclass(frozen=True, slots=True)
class Format:
    """A format of self-describing files.

    Attributes
    ----------
    name : str
        What `open_table` calls it.
    suffixes : tuple of str
        Ends of file names, with the dot, before a possible ``.gz``.
    open : callable
        Takes the path and the name or number of the table wanted.
    sniff : callable
        Whether a file that begins with these (unpacked) bytes is of the format; False if the content cannot tell.
    """

    name: str
    suffixes: tuple[str, ...]
    open: Callable[[Path, str | int | None], TableStream]
    sniff: Callable[[bytes], bool] = lambda head: False  # noqa: ARG005


def _is_votable(head: bytes) -> bool:
    text = head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")  # UTF-16 without its zeros; byte order marks
    return text.startswith(b"<") and (b"<VOTABLE" in text or b":VOTABLE" in text)


FORMATS: tuple[Format, ...] = (
    Format("votable", (".vot", ".votable", ".xml"), open_votable, _is_votable),
    Format("fits", (".fits", ".fit", ".fts"), open_fits, lambda head: head.startswith(b"SIMPLE  =")),
    Format("parquet", (".parquet", ".pq"), open_parquet, lambda head: head.startswith(b"PAR1")),
    Format("ecsv", (".ecsv",), open_ecsv, lambda head: head.startswith(b"# %ECSV")),
    Format("csv", (".csv",), open_csv),
    Format("tsv", (".tsv", ".tab"), open_tsv),
)
"""All formats, in the order in which they are tried."""


def open_table(
    path: Path, *, layout: Layout | None = None, format: str | None = None, table: str | int | None = None
) -> TableStream:
    """Open a file as a stream of record batches.

    Parameters
    ----------
    path : pathlib.Path
        The file; text, VOTable, FITS and records may be gzipped.
    layout : Layout, optional
        What a file that does not describe itself holds, and for every file which values mean null and which rows
        are kept.
    format : str, optional
        Name of the format (`FORMATS`); by default it is found by the first bytes, then by the suffix.
    table : str or int, optional
        Which table of a file with several: EXTNAME or number of the HDU, name, ID or number of the TABLE.

    Returns
    -------
    TableStream
        Nothing but the description was read yet. The batches have the canonical types of the columns.

    Raises
    ------
    TableError
        If the file is of no known format, damaged, or has no such table; while the batches are read, if they are
        damaged. Only an iterator that ends without error has given the whole table.
    """
    try:
        path.open("rb").close()
    except FileNotFoundError:
        raise TableError(f"There is no file {path.name!r}.") from None
    except (IsADirectoryError, PermissionError):
        raise TableError(f"{path.name!r} is not a file that can be read.") from None
    if isinstance(layout, RecordsLayout | FixedWidthLayout):
        if format is not None or table is not None:
            raise TableError(f"A layout of kind {layout.kind!r} leaves no choice of a format or table.")
        name: str = layout.kind
    else:
        found = _find_format(path) if format is None else _named_format(format)
        name = found.name
    with translated(name):
        match layout:
            case RecordsLayout():
                stream = open_records(path, layout)
            case FixedWidthLayout():
                stream = open_fixed_width(path, layout)
            case _:
                stream = found.open(path, table)
    stream.batches = _translated(stream.batches, name)
    return stream if layout is None else select(stream, layout)


def _translated(batches: Iterator[pa.RecordBatch], name: str) -> Iterator[pa.RecordBatch]:
    with translated(name):
        yield from batches


def _named_format(name: str) -> Format:
    for known in FORMATS:
        if known.name == name:
            return known
    raise TableError(f"There is no format {name!r}.", hint=_known())


def _find_format(path: Path) -> Format:
    with translated(path.name), open_bytes(path) as file:
        head = file.read(_HEAD)
    for known in FORMATS:
        if known.sniff(head):
            return known
    name = path.name.lower().removesuffix(".gz")
    for known in FORMATS:
        if name.endswith(known.suffixes):
            return known
    raise TableError(f"Neither the first bytes nor the name of {path.name!r} tell its format.", hint=_known())


def _known() -> str:
    names = ", ".join(known.name for known in FORMATS)
    return f"The formats are {names}; binary records and fixed-width text need a layout."
