"""TOPCAT on a virtual screen sends the tables that it has loaded, as a person has it do: by naming them in a query."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients.test_topcat import ASYNCHRONOUS, QUERY, SYNCHRONOUS, Tap, screen, tap
from tests.conftest import Service
from tests.tap.asking import eventually, log_lines

__all__ = ["screen", "tap"]

# The rows of the first query's result, and only those, come back: what TOPCAT sends is what it got.
SAME = (
    "SELECT t.* FROM TAP_UPLOAD.t1 AS t JOIN hipparcos.hip2 AS h ON h.hip = t.hip WHERE h.ra = t.ra AND h.dec = t.dec"
)


def ran(service: Service, query: str) -> dict[str, Any]:
    """Return what the log says of a query when it has ended."""
    [line] = eventually(lambda: log_lines(service.home, event="tap.query", query=query))
    return dict(line)


@pytest.mark.parametrize("mode", [SYNCHRONOUS, ASYNCHRONOUS])
def test_a_loaded_table(service: Service, tap: Tap, mode: int) -> None:
    first = QUERY.replace("123", f"{100 + mode}")
    empty = tap.loaded()
    tap.query(SYNCHRONOUS, first)
    rows = ran(service, first)["rows"]
    loaded = eventually(lambda: (now := tap.loaded()) != empty and now)
    query = SAME.replace("t1", f"t{2 * mode + 1}")
    tap.query(mode, query)
    line = ran(service, query)
    assert (line["rows"], line["uploaded_rows"], line["outcome"]) == (rows, rows, "completed")
    eventually(lambda: tap.loaded() != loaded)
