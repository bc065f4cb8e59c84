"""How much of a file is read before it is refused."""

from __future__ import annotations

from dataclasses import dataclass

from vo.core.errors import LimitError

MAX_ROW = 256 << 20
"""Bytes of the largest row that is read; what claims to be longer is a damaged file or an attack on the memory."""


@dataclass(frozen=True, slots=True)
class TableLimits:
    """Limits of one table; what is beyond them raises `LimitError` before more is read.

    The defaults are for files that the operator chose to read; a service sets tighter ones for files of strangers.

    Attributes
    ----------
    columns : int
        By default as many as a table of PostgreSQL can have.
    rows : int, optional
    unpacked_bytes : int, optional
        Bytes that the file may become: when it is unpacked, and as the values of all its rows.
    row_bytes : int
        Bytes of one row, in the file and as values; the memory that a reader takes follows from it.
    """

    columns: int = 1600
    rows: int | None = None
    unpacked_bytes: int | None = None
    row_bytes: int = MAX_ROW

    def check_columns(self, count: int) -> None:
        """Raise an error if a table has too many columns."""
        if count > self.columns:
            raise LimitError(f"The table has {count} columns; it may have {self.columns}.")

    def check_rows(self, count: int) -> None:
        """Raise an error if a table has too many rows."""
        if self.rows is not None and count > self.rows:
            raise LimitError(f"The table has more than {self.rows} rows, the most that is read.")

    def check_unpacked(self, size: int) -> None:
        """Raise an error if a file has become too much."""
        if self.unpacked_bytes is not None and size > self.unpacked_bytes:
            raise LimitError(f"The file unpacks to more than {self.unpacked_bytes} bytes, the most that is read.")

    def check_row(self, size: int, row: int | None = None) -> None:
        """Raise an error if a row, whose number from 1 may be known, is too long."""
        if size > self.row_bytes:
            which = "A row" if row is None else f"Row {row}"
            raise LimitError(f"{which} of the table has more than {self.row_bytes} bytes, the most that is read.")
