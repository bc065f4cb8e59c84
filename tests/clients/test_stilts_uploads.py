"""STILTS tapquery with uploads: VOTables in each serialization and FITS, synchronous and as jobs."""

from __future__ import annotations

import csv
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Service

TABLE = ":test:20,ibsfvm"
"""STILTS's own table of all types that it has: scalars, strings, fixed and variable arrays, 2-d arrays, with nulls."""
WITHOUT = "delcols 'f_string v_string'"
"""Arrays of strings, which STILTS cannot write into a VOTable."""
ALL = "SELECT * FROM TAP_UPLOAD.mine"


def stilts(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["stilts", *arguments], capture_output=True, text=True, check=check, timeout=120)


def tapquery(service: Service, query: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return stilts("tapquery", f"tapurl={service.tap}", f"adql={query}", *arguments, check=check)


def cells(text: str) -> list[list[str]]:
    return list(csv.reader(text.splitlines()))


@pytest.mark.parametrize(("serialization", "sync"), [("TABLEDATA", "true"), ("BINARY2", "true"), ("BINARY2", "false")])
def test_every_type(service: Service, serialization: str, sync: str) -> None:
    wanted = cells(stilts("tpipe", f"in={TABLE}", f"cmd={WITHOUT}", "ofmt=csv").stdout)
    upload = ("nupload=1", f"upload1={TABLE}", f"ucmd1={WITHOUT}", "upname1=mine")
    got = tapquery(service, ALL, f"sync={sync}", f"upvotformat={serialization}", *upload, "ofmt=csv")
    assert cells(got.stdout) == wanted
    assert len(wanted) == 21


def test_every_type_in_the_oldest_serialization(service: Service, tmp_path: Path) -> None:
    """BINARY has no null for arrays: what is sent is what STILTS reads back from a file of its own."""
    kept = "delcols 'f_string v_string f_boolean v_boolean'"  # an array in the database has no unknown truth value
    stilts("tpipe", f"in={TABLE}", f"cmd={kept}", "ofmt=votable-binary-inline", f"out={tmp_path}/mine.vot")
    wanted = cells(stilts("tpipe", f"in={tmp_path}/mine.vot", "ofmt=csv").stdout)
    upload = ("nupload=1", f"upload1={TABLE}", f"ucmd1={kept}", "upname1=mine", "upvotformat=BINARY")
    assert cells(tapquery(service, ALL, "sync=true", *upload, "ofmt=csv").stdout) == wanted
    assert len(wanted) == 21


@pytest.mark.parametrize("sync", ["true", "false"])
def test_two_tables_of_two_formats(service: Service, tmp_path: Path, sync: str) -> None:
    """Both become VOTables on their way; the parser of STILTS knows their columns."""
    stilts("tpipe", "in=:loop:30", "cmd=addcol ra i*11.5", "cmd=addcol dec 2*i-30", f"out={tmp_path}/stars.fits")
    stilts("tpipe", "in=:loop:9", "cmd=addcol name toString(i)", f"out={tmp_path}/labels.vot")
    query = "SELECT ra, name FROM TAP_UPLOAD.stars AS s JOIN TAP_UPLOAD.labels AS n ON s.i = n.i ORDER BY name"
    uploads = (f"upload1={tmp_path}/stars.fits", f"upload2={tmp_path}/labels.vot", "upname1=stars", "upname2=labels")
    got = tapquery(service, query, f"sync={sync}", "nupload=2", *uploads, "parse=true", "ofmt=csv-noheader")
    assert cells(got.stdout) == [[str(11.5 * number), str(number)] for number in range(9)]


def test_many_rows(service: Service) -> None:
    """STILTS sends in chunks, and does not know how many they will be; all rows arrive, in their order."""
    commands = "addcol ra (i*17.123)%360", "addcol dec i%180-90."
    upload = ("nupload=1", "upload1=:loop:200000", f"ucmd1={'; '.join(commands)}", "upname1=mine")
    got = tapquery(service, ALL, "sync=true", *upload, "maxrec=1000000", "omode=checksum")
    wanted = stilts("tpipe", "in=:loop:200000", f"cmd={'; '.join(commands)}", "omode=checksum")
    assert got.stdout == wanted.stdout
    assert "200000" in wanted.stdout


def test_the_reason_of_a_failure_is_told(service: Service) -> None:
    upload = ("nupload=1", "upload1=:loop:3", "upname1=mine", "sync=true", "parse=false")
    result = tapquery(service, "SELECT j FROM TAP_UPLOAD.mine", *upload, check=False)
    assert result.returncode != 0
    assert "There is no column j" in result.stderr
