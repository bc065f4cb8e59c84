"""The registry of formats, and `open_table`, which finds the one a file is in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from vo.core.errors import TableError
from vo.core.tables.readers.arrow import is_arrow, open_arrow
from vo.core.tables.readers.binary import open_records
from vo.core.tables.readers.csv import open_csv, open_tsv
from vo.core.tables.readers.csv_dialect import looks_like_csv
from vo.core.tables.readers.ecsv import open_ecsv
from vo.core.tables.readers.fits import open_fits
from vo.core.tables.readers.fixed_width import open_fixed_width
from vo.core.tables.readers.layout import FixedWidthLayout, Layout, RecordsLayout
from vo.core.tables.readers.limits import TableLimits
from vo.core.tables.readers.parquet import open_parquet
from vo.core.tables.readers.selection import select
from vo.core.tables.readers.source import Source, translated
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
    media_types : tuple of str
        Without parameters.
    open : callable
        Takes the source and the name or number of the table wanted.
    sniff : callable
        Whether a file that begins with these (unpacked) bytes is of the format; False if the content cannot tell.
    """

    name: str
    suffixes: tuple[str, ...]
    media_types: tuple[str, ...]
    open: Callable[[Source, str | int | None], TableStream]
    sniff: Callable[[bytes], bool] = lambda head: False  # noqa: ARG005


def _is_votable(head: bytes) -> bool:
    text = head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")  # UTF-16 without its zeros; byte order marks
    return text.startswith(b"<?xml") or (text.startswith(b"<") and b"VOTABLE" in text)


FORMATS: tuple[Format, ...] = (
    Format(
        "votable",
        (".vot", ".votable", ".xml"),
        ("application/x-votable+xml", "text/xml", "application/xml", "text/x-votable+xml"),
        open_votable,
        _is_votable,
    ),
    Format(
        "fits",
        (".fits", ".fit", ".fts"),
        ("application/fits", "image/fits", "application/x-fits"),
        open_fits,
        lambda head: head.startswith(b"SIMPLE  ="),
    ),
    Format(
        "parquet",
        (".parquet", ".pq"),
        ("application/vnd.apache.parquet", "application/x-parquet", "application/parquet"),
        open_parquet,
        lambda head: head.startswith(b"PAR1"),
    ),
    Format(
        "arrow",
        (".arrow", ".arrows", ".feather", ".ipc"),
        ("application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.file"),
        open_arrow,
        is_arrow,
    ),
    Format(
        "ecsv",
        (".ecsv",),
        ("application/x-ecsv", "text/x-ecsv", "text/ecsv"),
        open_ecsv,
        lambda head: head.startswith(b"# %ECSV"),
    ),
    Format("tsv", (".tsv", ".tab"), ("text/tab-separated-values",), open_tsv),
    # Last, since any text might be CSV.
    Format("csv", (".csv",), ("text/csv", "application/csv"), open_csv),
)
"""All formats, in the order in which they are tried."""


def open_table(
    path: Path,
    *,
    layout: Layout | None = None,
    format: str | None = None,
    table: str | int | None = None,
    limits: TableLimits | None = None,
    label: str | None = None,
    name: str | None = None,
    media_type: str | None = None,
) -> TableStream:
    """Open a file as a stream of record batches.

    Parameters
    ----------
    path : pathlib.Path
        The file; all formats may be gzipped. It need have no suffix: ``/proc/self/fd/N`` of an anonymous file is fine,
        as long as that file is open until the last batch was read.
    layout : Layout, optional
        What a file that does not describe itself holds, and for every file which values mean null and which rows
        are kept.
    format : str, optional
        Name of the format (`FORMATS`); by default it is found by the first bytes, then by the suffix and the media
        type, and at last by whether it looks like CSV.
    table : str or int, optional
        Which table of a file with several: EXTNAME or number of the HDU, name, ID or number of the TABLE.
    limits : TableLimits, optional
        How much is read before the file is refused.
    label : str, optional
        What the client calls the file (``upload t``): all errors begin with it. By default they name the format only.
    name : str, optional
        The file's name where it is not the one of `path`: what the client called it.
    media_type : str, optional
        What the client says that the file is.

    Returns
    -------
    TableStream
        Nothing but the description was read yet. The batches have the canonical types of the columns.

    Raises
    ------
    TableError
        If the file is of no known format, damaged, or has no such table; while the batches are read, if they are
        damaged. Only an iterator that ends without error has given the whole table.
    LimitError
        If the table is larger than the limits, at once or while the batches are read.
    """
    source = Source(path, limits or TableLimits())
    name = name or path.name
    _check_file(path, label or repr(name))
    if isinstance(layout, RecordsLayout | FixedWidthLayout):
        if format is not None or table is not None:
            raise TableError(f"A layout of kind {layout.kind!r} leaves no choice of a format or table.")
        known: str = layout.kind
    elif format is not None:
        known = _named_format(format).name
    else:
        known = _find_format(source, name, media_type, label)
    with translated(known, label):
        match layout:
            case RecordsLayout():
                stream = open_records(source, layout)
            case FixedWidthLayout():
                stream = open_fixed_width(source, layout)
            case _:
                stream = _named_format(known).open(source, table)
        source.limits.check_columns(len(stream.columns))
    stream.batches = _checked(stream.batches, source.limits, known, label)
    return stream if layout is None else select(stream, layout)


def _check_file(path: Path, shown: str) -> None:
    try:
        path.open("rb").close()
    except FileNotFoundError:
        raise TableError(f"There is no file {shown}.") from None
    except (IsADirectoryError, PermissionError):
        raise TableError(f"{shown} is not a file that can be read.") from None


def _checked(
    batches: Iterator[pa.RecordBatch], limits: TableLimits, format: str, label: str | None
) -> Iterator[pa.RecordBatch]:
    """Yield the batches up to the limits, with the errors of libraries as errors of ours."""
    rows = size = 0
    with translated(format, label):
        for batch in batches:
            rows += len(batch)
            size += batch.nbytes
            limits.check_rows(rows)
            limits.check_unpacked(size)
            limits.check_row(batch.nbytes // max(1, len(batch)))
            yield batch


def _named_format(name: str) -> Format:
    for known in FORMATS:
        if known.name == name:
            return known
    raise TableError(f"There is no format {name!r}.", hint=_known())


def _find_format(source: Source, name: str, media_type: str | None, label: str | None) -> str:
    with translated(name, label), source.opened() as file:
        head = file.read(_HEAD)
    for known in FORMATS:
        if known.sniff(head):
            return known.name
    suffix = name.lower().removesuffix(".gz")
    essence = (media_type or "").partition(";")[0].strip().lower()
    for known in FORMATS:
        if suffix.endswith(known.suffixes):
            return known.name
    for known in FORMATS:
        if essence in known.media_types:
            return known.name
    if looks_like_csv(head):
        return "csv"
    raise TableError(f"Neither the first bytes nor the name of {label or repr(name)} tell its format.", hint=_known())


def _known() -> str:
    names = ", ".join(known.name for known in FORMATS)
    return f"The formats are {names}; binary records and fixed-width text need a layout."
