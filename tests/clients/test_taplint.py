"""STILTS taplint, the validator of TAP services: no error, no failure, no warning without a reason."""

from __future__ import annotations

import re
import subprocess
from collections import Counter

import pytest

from tests.conftest import Service

STAGES = ("TMV", "TME", "TMS", "TMC", "CPV", "CAP", "AVV", "QGE", "QPO", "QAS", "UWS", "MDQ", "LOC", "UPL", "EXA")
"""All but that for what is not offered: ObsCore (OBS)."""
ALLOWED = {
    "CAP-CULF": "taplint 3.4.7 knows the feature types of TAPRegExt 1.0 only; ADQL 2.1 demands them in lower case, and "
    "brings new ones. The old spelling stands beside the new one where there was one.",
}
"""Warnings that may come, with the reason."""

_SECTION = re.compile(r"Section (\w{3}): ")
_REPORT = re.compile(r"(?P<type>[EWFIS])-(?P<label>\w{3}-\w{4})-(?:\d+|x)(?: \((?P<more>\d+) more\))? *(?P<text>.*)")
_DONE = re.compile(r"(?:Successful/submitted TAP queries|success/attempt): (\d+)/(\d+)")


@pytest.fixture(scope="module")
def report(service: Service) -> str:
    """What taplint says; its exit status says nothing."""
    command = [
        "stilts",
        "taplint",
        f"tapurl={service.tap}",
        f"stages={' '.join(STAGES)}",
        "report=EWISF",
        "maxrepeat=50",
    ]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout


def counted(report: str, kind: str) -> Counter[str]:
    """Count the reports of a type (E, W, F …) by their label."""
    found: Counter[str] = Counter()
    for line in report.splitlines():
        match = _REPORT.match(line)
        if match and match["type"] == kind:
            found[match["label"]] += int(match["more"] or 1)
    return found


def test_every_stage_ran(report: str) -> None:
    assert tuple(_SECTION.findall(report)) == STAGES


def test_no_errors_and_no_failures(report: str) -> None:
    assert counted(report, "E") == Counter(), report
    assert counted(report, "F") == Counter(), report
    assert re.search(r"^Totals: Errors: 0; .*Failures: 0$", report, re.MULTILINE)


def test_warnings_have_a_reason(report: str) -> None:
    warnings = counted(report, "W")
    assert set(warnings) <= set(ALLOWED), report
    [total] = re.findall(r"Warnings: (\d+)", report.splitlines()[-1] or report)
    assert int(total) == warnings.total()


def test_every_query_of_taplint_succeeded(report: str) -> None:
    figures = [(int(done), int(tried)) for done, tried in _DONE.findall(report)]
    assert len(figures) >= 5
    assert all(done == tried > 0 for done, tried in figures), report


def test_jobs_lived_and_died(report: str) -> None:
    """The stage UWS makes three jobs, and sends parameters and phases; where all is well it says nothing more."""
    infos = counted(report, "I")
    assert infos["UWS-CJOB"] == 3
    assert infos["UWS-POPA"] == 4
    assert "UWS job document explicitly V1.1" in report
    assert report.count("Submitted query at ") == 9  # QAS: five that succeed, two that have to fail; UPL: two


def test_all_tables_were_seen(report: str) -> None:
    found = [re.findall(r"Tables: (\d+)", line)[0] for line in report.splitlines() if "Schemas: " in line]
    assert len(found) == 2  # from /tables and from TAP_SCHEMA
    assert int(found[0]) == int(found[1]) >= 8
