"""Table writers: a stream of record batches becomes a document in the format that the client asked for."""

from vo.core.tables.writers.base import Chunk, CoordinateSystem, Outcome, ResultMetadata, TimeSystem, Writer
from vo.core.tables.writers.formats import FORMATS, Format, find_format
from vo.core.tables.writers.votable import error_document

__all__ = [
    "FORMATS",
    "Chunk",
    "CoordinateSystem",
    "Format",
    "Outcome",
    "ResultMetadata",
    "TimeSystem",
    "Writer",
    "error_document",
    "find_format",
]
