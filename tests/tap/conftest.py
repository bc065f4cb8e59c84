"""What tests of TAP share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.tap.elsewhere import Elsewhere, serving_files


@pytest.fixture(scope="package")
def elsewhere() -> Iterator[Elsewhere]:
    """An HTTP server that is not ours."""
    with serving_files() as server:
        yield server
