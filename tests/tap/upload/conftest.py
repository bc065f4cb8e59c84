"""What tests of uploads share: a service with narrow limits, whose processes may be killed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.tap.elsewhere import Elsewhere
from tests.uws.processes import JobService

MIB = 2**20
MAX_BYTES = 50 * MIB
MAX_ROWS = 1_000_000
MAX_COLUMNS = 60
SPACE = 64 * MIB
"""In the database, of one caller."""


@pytest.fixture(scope="package")
def own(elsewhere: Elsewhere) -> Iterator[JobService]:
    with JobService(
        VO_MAX_UPLOAD=str(MAX_BYTES),
        VO_MAX_UPLOAD_ROWS=str(MAX_ROWS),
        VO_MAX_UPLOAD_COLUMNS=str(MAX_COLUMNS),
        VO_UPLOAD_SPACE=str(SPACE),
        VO_UPLOAD_HOSTS=f'["{elsewhere.host}"]',
        VO_DRAIN_TIME="2",
    ) as running:
        yield running


def left(service: JobService) -> list[tuple[str, ...]]:
    """Return what uploads have left in the database: tables, and lines in the books."""
    tables = service.fetch("SELECT relname FROM pg_class WHERE relnamespace = 'vo_upload'::regnamespace")
    return tables + service.fetch("SELECT name FROM vo.caller_tables")
