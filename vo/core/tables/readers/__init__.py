"""Files become table streams.

`open_table` finds out the format of a file and returns its columns and an iterator of record batches of 1 to 4 MB;
the memory it takes does not depend on the length of the file. A format is one entry in `formats.FORMATS`.
"""

from vo.core.tables.readers.formats import FORMATS, Format, open_table
from vo.core.tables.readers.layout import (
    FixedWidthLayout,
    Keep,
    Layout,
    RecordsLayout,
    TableLayout,
    parse_layout,
)
from vo.core.tables.readers.limits import TableLimits

__all__ = [
    "FORMATS",
    "FixedWidthLayout",
    "Format",
    "Keep",
    "Layout",
    "RecordsLayout",
    "TableLayout",
    "TableLimits",
    "open_table",
    "parse_layout",
]
