"""Small files that are as they should be, of which others are made."""

from __future__ import annotations

import base64
import io
import struct

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.io import fits

ROWS = 50


def votable(data: str, fields: str | None = None, prolog: str = '<?xml version="1.0"?>') -> bytes:
    """Return a document of one table."""
    if fields is None:
        fields = field("a", "int") + field("s", "char", "*") + field("d", "double")
    return (
        f'{prolog}<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE type="results"><TABLE>'
        f"{fields}<DATA>{data}</DATA></TABLE></RESOURCE></VOTABLE>"
    ).encode()


def field(name: str, datatype: str, arraysize: str | None = None) -> str:
    """Return a FIELD."""
    return f'<FIELD name="{name}" datatype="{datatype}"' + (f' arraysize="{arraysize}"/>' if arraysize else "/>")


def rows(cells: str = "<TD>1</TD><TD>x</TD><TD>1.5</TD>", count: int = 3) -> str:
    """Return rows of TABLEDATA."""
    return f"<TABLEDATA>{f'<TR>{cells}</TR>' * count}</TABLEDATA>"


def stream(data: bytes | str, kind: str = "BINARY2", encoding: str = "base64") -> str:
    """Return a STREAM of bytes, or of a text that is no base64."""
    text = data if isinstance(data, str) else base64.b64encode(data).decode()
    return f'<{kind}><STREAM encoding="{encoding}">{text}</STREAM></{kind}>'


def binary_rows(count: int = ROWS) -> bytes:
    """Return rows of BINARY2 for the fields of `votable`."""
    return b"".join(struct.pack(">Bii3sd", 0, row, 3, b"abc", row / 3) for row in range(count))


def fits_file() -> bytes:
    """Return a FITS file with a table that has a heap."""
    arrays = np.empty(ROWS, object)
    arrays[:] = [np.arange(row % 5, dtype="f8") for row in range(ROWS)]
    columns = [
        fits.Column("i", "J", array=np.arange(ROWS)),
        fits.Column("s", "5A", array=np.array([f"t{row}" for row in range(ROWS)])),
        fits.Column("v", "PD()", array=arrays),
    ]
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(buffer)
    return buffer.getvalue()


def table() -> pa.Table:
    """Return a table for Parquet and Arrow."""
    return pa.table(
        {
            "i": pa.array(range(ROWS), pa.int32()),
            "s": pa.array([f"text {row}" for row in range(ROWS)]),
            "d": pa.array([row / 3 for row in range(ROWS)]),
            "l": pa.array([[row, None] for row in range(ROWS)], pa.list_(pa.int64())),
            "k": pa.array(["a", "b"] * (ROWS // 2)).dictionary_encode(),
        }
    )


def parquet_file(table: pa.Table, **options: object) -> bytes:
    """Return a table as Parquet."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **options)
    return buffer.getvalue()


def arrow_file(table: pa.Table, kind: str, **options: object) -> bytes:
    """Return a table as an Arrow IPC stream (``arrows``) or file (``arrow``)."""
    buffer = io.BytesIO()
    new = pa.ipc.new_stream if kind == "arrows" else pa.ipc.new_file
    with new(buffer, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return buffer.getvalue()
