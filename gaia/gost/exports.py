"""What ESA's GOST answers, as arrays: the CSV of its web form, and the VOTable of its ObjVisSAP endpoint."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from vo.core.errors import ServiceError, TableError, UsageError
from vo.core.tables import TableStream, schema_of
from vo.core.tables.readers import open_table

JD_OF_MJD = 2_400_000.5
UNIX_EPOCH = 40587.0
"""MJD of 1970-01-01."""
ROWS = 7
"""Of CCDs."""
MOST_ROWS = 100_000
"""Of the answer about one position."""
_MILLISECONDS = 86_400_000.0

Floats = NDArray[np.float64]

_UTC = "ObservationTimeAtGaia"
_ROW = "CcdRow"
_ZETA = "zetaFieldAngle"
_ANGLE = "scanAngle"
_FIELD = "Fov"
_ALONG = "parallaxFactorAlong"
_ACROSS = "parallaxFactorAcross"
_BARYCENTRE = "ObservationTimeAtBarycentre"
_TYPES = {
    _UTC: pa.timestamp("ms"),
    _ROW: pa.int16(),
    _ANGLE: pa.float64(),
    _FIELD: pa.string(),
    _ALONG: pa.float64(),
    _ACROSS: pa.float64(),
    _BARYCENTRE: pa.float64(),
}
"""Columns by the beginnings of their names, which go on with units and explanations."""


@dataclass(frozen=True, slots=True)
class Export:
    """Transits that GOST tells; what it does not tell is None.

    Attributes
    ----------
    time_gaia_utc, time_gaia_tcb, time_bary_tcb : numpy.ndarray
        Modified Julian days; of the first two there is one.
    following : numpy.ndarray
        Whether it is the following field of view.
    ccd_row : numpy.ndarray
        1 to 7.
    zeta, scan_angle : numpy.ndarray
        In degrees; zeta is NaN where the export has none.
    parallax_factor_al, parallax_factor_ac : numpy.ndarray
        As in the export.
    """

    time_bary_tcb: Floats
    time_gaia_utc: Floats | None = None
    time_gaia_tcb: Floats | None = None
    following: NDArray[np.bool_] | None = None
    ccd_row: NDArray[np.int8] | None = None
    zeta: Floats | None = None
    scan_angle: Floats | None = None
    parallax_factor_al: Floats | None = None
    parallax_factor_ac: Floats | None = None


def read_export(document: bytes) -> Export:
    """Read the CSV of the web form.

    Raises
    ------
    UsageError
        If it is something else.
    """
    head = document.split(b"\n", 1)[0].decode("utf-8", "replace")
    try:
        names = [name.strip() for name in next(csv.reader([head]), [])]
    except csv.Error:
        names = []
    places = {start: [name for name in names if name.startswith(start)] for start in (*_TYPES, _ZETA)}
    if any(len(places[start]) != 1 for start in _TYPES):
        raise _unreadable("the columns are not those that are known")
    types = {places[start][0]: kind for start, kind in _TYPES.items()}
    types |= {name: pa.float64() for name in places[_ZETA]}
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(document),
            pyarrow.csv.ReadOptions(column_names=names, skip_rows=1, use_threads=False),
            convert_options=pyarrow.csv.ConvertOptions(column_types=types, include_columns=list(types)),
        )
    except pa.ArrowInvalid as error:
        raise _unreadable(str(error).splitlines()[0][:200]) from None
    if any(column.null_count for column in table.columns):
        raise _unreadable("values are missing")

    def numbers(start: str) -> Floats:
        return np.asarray(table[places[start][0]].to_numpy(), dtype=np.float64)

    field = table[places[_FIELD][0]].to_pylist()
    if not set(field) <= {"FoVP", "FoVF", "FovP", "FovF"}:
        raise _unreadable("there is an unknown field of view")
    rows = numbers(_ROW)
    if not ((rows >= 1) & (rows <= ROWS)).all():
        raise _unreadable("there is an unknown row of CCDs")
    milliseconds = table[places[_UTC][0]].cast(pa.int64()).to_numpy()
    return Export(
        time_bary_tcb=numbers(_BARYCENTRE) - JD_OF_MJD,
        time_gaia_utc=milliseconds / _MILLISECONDS + UNIX_EPOCH,
        following=np.array([each.endswith("F") for each in field], dtype=np.bool_),
        ccd_row=rows.astype(np.int8),
        zeta=np.degrees(numbers(_ZETA)) if places[_ZETA] else np.full(len(table), np.nan),
        scan_angle=np.degrees(numbers(_ANGLE)),
        parallax_factor_al=numbers(_ALONG),
        parallax_factor_ac=numbers(_ACROSS),
    )


def read_visibility(path: Path) -> Export:
    """Read the VOTable of the ObjVisSAP endpoint, from a file.

    Raises
    ------
    UsageError
        If it is something else.
    """
    try:
        table = _whole(open_table(path, format="votable"))
        starts = table["t_start"].cast(pa.float64())
        stamps = table["t_start_gaia_timestamp"].cast(pa.timestamp("us"))
    except ServiceError as error:
        raise _unreadable(error.message.rstrip(".")[:200]) from None
    except (KeyError, pa.ArrowException):
        raise _unreadable("the columns are not those that are known") from None
    if starts.null_count or stamps.null_count:
        raise _unreadable("values are missing")
    bary = np.asarray(starts.to_numpy(), dtype=np.float64)
    microseconds = stamps.cast(pa.int64()).to_numpy()
    return Export(time_bary_tcb=bary, time_gaia_tcb=microseconds / (_MILLISECONDS * 1000) + UNIX_EPOCH)


def _whole(stream: TableStream) -> pa.Table:
    """Return a table; the answer about one position is short."""
    batches, rows = [], 0
    for batch in stream.batches:
        rows += batch.num_rows
        if rows > MOST_ROWS:
            raise TableError(f"It has more than {MOST_ROWS:,} rows.")
        batches.append(batch)
    return pa.Table.from_batches(batches, schema_of(stream.columns))


def _unreadable(reason: str) -> UsageError:
    return UsageError(
        f"The answer of ESA's GOST cannot be read: {reason}.",
        hint="The task transit-forecast computes the same here.",
    )
