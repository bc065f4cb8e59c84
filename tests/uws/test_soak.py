"""The soak in short: clients and random faults for half a minute, with the same report as in ten minutes."""

from __future__ import annotations

import subprocess
from pathlib import Path

SOAK = Path(__file__).parents[2] / "scripts" / "soak"


def test_random_faults_for_half_a_minute() -> None:
    done = subprocess.run([SOAK, "0.5"], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every promise was kept" in done.stdout
