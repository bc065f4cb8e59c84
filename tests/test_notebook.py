"""The notebooks of the documentation run from top to bottom, and find what they say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Service

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "docs").glob("**/*.ipynb"))
ADDRESS = "http://127.0.0.1:8080"
CHECKS = {
    "crossmatch": "assert found_bright > 0.99, found_bright\nassert found_unmoved < 0.7, found_unmoved\n"
    "assert len(near) > 10_000 and plt.get_fignums() == [1, 2, 3]"
}
"""What has to hold in the end."""


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(notebook: Path, service: Service, tmp_path: Path) -> None:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    parts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    program = "\n\n".join([*parts, CHECKS[notebook.stem]]).replace(ADDRESS, service.url)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "MPLBACKEND": "agg", "MPLCONFIGDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "EXECUTING" in done.stdout
