"""Pictures are made with matplotlib's own settings, whatever others have set in this process."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl
import pytest


@pytest.fixture(autouse=True)
def own_settings() -> Iterator[None]:
    """Matplotlib as it is installed: importing GaiaXPy, as other tests do, makes it write texts by LaTeX."""
    with mpl.rc_context({name: value for name, value in mpl.rcParamsDefault.items() if name != "backend"}):
        yield
