"""Find the table in a FITS file."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

from vo.core.errors import LimitError, TableError
from vo.core.tables.columns import Column
from vo.core.tables.readers.limits import TableLimits
from vo.core.tables.readers.votable import described_table
from vo.core.tables.stream import TableMetadata

_LARGEST_DESCRIPTION = 64 << 20
_STRUCTURE = re.compile(
    r"(SIMPLE|XTENSION|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|TFIELDS|THEAP|EXTNAME|EXTVER|EXTEND|CHECKSUM|DATASUM|COMMENT|HISTORY)?"
    r"|(TTYPE|TFORM|TUNIT|TNULL|TSCAL|TZERO|TDISP|TDIM|TBCOL|TUCD|TUTYP|TUTYPE|TXTYP|TCOMM)\d+"
)


@dataclass(frozen=True, slots=True)
class TableHDU:
    """A table extension.

    Attributes
    ----------
    header : astropy.io.fits.Header
    start : int
        Bytes of the file before the first row.
    described : tuple of Column
        What a VOTable in the primary HDU says about the columns (fits-plus); empty if there is none.
    facts : TableMetadata
        What it says about the table.
    """

    header: Any
    start: int
    described: tuple[Column, ...] = ()
    facts: TableMetadata = field(default_factory=TableMetadata)

    @property
    def rows(self) -> int:
        """Number of rows (NAXIS2)."""
        return int(self.header["NAXIS2"])

    @property
    def width(self) -> int:
        """Bytes of a row (NAXIS1)."""
        return int(self.header["NAXIS1"])

    @property
    def is_ascii(self) -> bool:
        """Whether the cells are text (section 7.2)."""
        return str(self.header["XTENSION"]).strip() == "TABLE"

    @property
    def heap_start(self) -> int:
        """Bytes of the file before the heap of the variable arrays (section 7.3.5)."""
        return self.start + int(self.header.get("THEAP", self.rows * self.width))

    @property
    def end(self) -> int:
        """Bytes of the file up to the end of the heap."""
        return self.start + self.rows * self.width + int(self.header.get("PCOUNT", 0))

    @property
    def heap_size(self) -> int:
        """Bytes in the heap."""
        return max(0, self.end - self.heap_start)

    def metadata(self) -> TableMetadata:
        """Return the name of the extension and the cards that describe no column."""
        name = str(self.header.get("EXTNAME", "")).strip()
        cards = {
            card.keyword: str(card.value).strip()
            for card in self.header.cards
            if not _STRUCTURE.fullmatch(card.keyword)
        }
        return TableMetadata(
            name=self.facts.name or name or None,
            description=self.facts.description,
            utype=self.facts.utype,
            rows=self.rows,
            infos=self.facts.infos | cards,
        )


def find_table(file: IO[bytes], wanted: str | int | None, limits: TableLimits) -> TableHDU:
    """Return a table extension of a seekable file; see `open_fits`."""
    from astropy.io import fits  # noqa: PLC0415  (0.2 s, and few processes read FITS)

    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    names = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Astropy mends what it can in a header, and raises an error for the rest
        hdus = fits.open(file, memmap=False, lazy_load_hdus=True, disable_image_compression=True)
        for number, hdu in enumerate(_each(hdus)):
            is_table = isinstance(hdu, fits.BinTableHDU | fits.TableHDU)
            if is_table:
                names.append(f"{number} ({hdu.name or 'without name'})")
            if not _is_wanted(hdu, number, is_table, wanted):
                continue
            if not is_table:
                raise TableError(f"HDU {number} of the file is no table.")
            if hdu.header.get("ZTABLE", False):
                raise TableError(f"HDU {number} of the file is a compressed table, which is not read.")
            described, facts = _fits_plus(file, hdus[0], number, limits)
            table = TableHDU(hdu.header, hdu.fileinfo()["datLoc"], described, facts)
            if min(table.rows, table.width) < 0 or table.end > size:
                raise TableError(
                    f"The FITS table needs {table.end} bytes of the file, which has {size}: it is truncated."
                )
            return table
    which = "" if wanted is None else f" {wanted!r}"
    raise TableError(f"The file has no table{which}" + (f"; its tables: {', '.join(names)}." if names else "."))


def _each(hdus: Any) -> Iterator[Any]:
    """Yield the HDUs one by one: the file behind the one that is wanted is not looked at."""
    number = 0
    while True:
        try:
            hdu = hdus[number]
        except IndexError:
            return
        yield hdu
        number += 1


def _is_wanted(hdu: Any, number: int, is_table: bool, wanted: str | int | None) -> bool:
    if wanted is None:
        return is_table and not hdu.header.get("ZIMAGE", False)  # a compressed image is stored as a table
    if isinstance(wanted, str):
        return is_table and str(hdu.name).strip() == wanted.strip().upper()
    return wanted == number


def _fits_plus(
    file: IO[bytes], primary: Any, number: int, limits: TableLimits
) -> tuple[tuple[Column, ...], TableMetadata]:
    """Return what the VOTable document that STIL writes into the primary HDU says about table `number`, from 1."""
    length = int(primary.header.get("NAXIS1", 0)) if primary.header.get("VOTMETA", False) is True else 0
    if not 0 < length < _LARGEST_DESCRIPTION:
        return (), TableMetadata()
    file.seek(primary.fileinfo()["datLoc"])
    try:
        return described_table(file.read(length).rstrip(b"\0 "), limits, number - 1)
    except (TableError, LimitError):
        return (), TableMetadata()  # the header alone is enough
