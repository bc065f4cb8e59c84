"""Files that are damaged, wrong or hostile, in every format; by file names, whose ends tell the formats.

All are made here, always the same. None may do more than be refused: no crash, no growth of memory, no long time.
"""

from __future__ import annotations

import functools

from .binary import arrows, fits_files, parquets
from .damage import HARMLESS
from .packed import gzips, others
from .text import csvs, ecsvs
from .votables import votables

__all__ = ["HARMLESS", "malformed"]


@functools.cache
def malformed() -> dict[str, bytes]:
    """Return the files by name."""
    files: dict[str, bytes] = {}
    for part in (votables, fits_files, parquets, arrows, csvs, ecsvs, gzips, others):
        for name, content in part():
            assert name not in files, name
            files[name] = content
    return files
