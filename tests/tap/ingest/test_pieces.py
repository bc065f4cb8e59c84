"""Tables in several files, and the archive's spectra, whose rows are long arrays."""

from __future__ import annotations

import gzip
from importlib.resources import as_file, files
from pathlib import Path

import pytest

from tap.ingest.description import read_description
from tap.ingest.files import open_files
from tap.ingest.service import IngestService
from tap.tables.models import TableName
from tests.tap.ingest.conftest import Trial
from vo.core.errors import TableError
from vo.core.tables.readers import open_table


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_files_become_one_table(tmp_path: Path) -> None:
    pieces = tmp_path / "pieces"
    pieces.mkdir()
    write(pieces, "b.csv", "n,x\n3,7\n")  # here x is an integer
    write(pieces, "a.csv", "n,x\n1,1.5\n2,\n")
    write(pieces, ".c.csv", "never read")
    stream = open_files([pieces])
    assert stream.metadata.rows is None
    assert [row for batch in stream.batches for row in batch.to_pylist()] == [
        {"n": 1, "x": 1.5},
        {"n": 2, "x": None},
        {"n": 3, "x": 7.0},
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("n,y\n1,2\n", "second.csv: It has a column y where the first file has x."),
        ("n,x,z\n1,2,3\n", "second.csv: It has 3 columns, the first file has 2."),
        ("n,x\n1,two\n", "second.csv: Column 'x' does not fit its type in the first file."),
        ("n,x\n1,true\n", "second.csv: Column 'x' does not fit its type in the first file."),
        ("n,x\n1,2020-01-01\n", "second.csv: Column 'x' does not fit its type in the first file."),
        ("n,x\n1,2\n3\n", "second.csv: Line 3 of the file has 1 cells"),
    ],
)
def test_a_file_that_does_not_fit_is_named(tmp_path: Path, text: str, words: str) -> None:
    paths = [write(tmp_path, "first.csv", "n,x\n1,2\n"), write(tmp_path, "second.csv", text)]
    with pytest.raises(TableError) as caught:
        list(open_files(paths).batches)
    assert caught.value.message.startswith(words)


def test_spectra_of_the_archive(trial: Trial, shared: Path, tmp_path: Path) -> None:
    source = shared / "data" / "xp" / "XP_CONTINUOUS_RAW.ecsv.gz"
    lines = gzip.decompress(source.read_bytes()).splitlines(keepends=True)
    head, rows = lines[:-2], lines[-2:]
    pieces = [tmp_path / f"XpContinuousMeanSpectrum_{place}.csv.gz" for place in range(2)]
    for path, row in zip(pieces, rows, strict=True):
        path.write_bytes(gzip.compress(b"".join([*head, row])))
    with as_file(files("gaia.catalogues").joinpath("gaia_dr3_xp.yaml")) as description:
        told = trial.vo("ingest", "--description", description, *pieces)
    assert "2 rows" in told.stderr + told.stdout
    name = "gaia_dr3.xp_continuous_mean_spectrum"
    [wanted] = open_table(source).batches
    found = trial.rows(f"SELECT * FROM {trial.physical(name)}")
    assert [dict(row) for row in found] == [
        {key: pytest.approx(value, rel=1e-6) for key, value in row.items()} for row in wanted.to_pylist()
    ]
    assert [row["bp_coefficients"] for row in found] == wanted.column("bp_coefficients").to_pylist()
    stored = trial.rows(
        "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attstorage = 'e' ORDER BY attnum",
        trial.physical(name),
    )
    assert [tuple(row) for row in stored] == [
        (f"{band}_{what}", kind)
        for band in ("bp", "rp")
        for what, kind in (
            ("coefficients", "double precision[]"),
            ("coefficient_errors", "real[]"),
            ("coefficient_correlations", "real[]"),
        )
    ]
    described = trial.rows("SELECT column_name, unit, ucd FROM tap_schema.columns WHERE table_name = %s", name)
    assert all(row["ucd"] for row in described)
    assert {row["column_name"] for row in described if row["unit"] == "'electron'.s**-1"} == {
        f"{band}_{what}" for band in ("bp", "rp") for what in ("coefficients", "coefficient_errors")
    }


def test_spectra_in_csv_get_the_types_of_their_description(trial: Trial, shared: Path) -> None:
    source = shared / "data" / "xp" / "XP_CONTINUOUS_RAW_with_missing_BP.csv.gz"
    with as_file(files("gaia.catalogues").joinpath("gaia_dr3_xp.yaml")) as path:
        described = read_description(path)
    name = TableName("gaia_dr3", "xp_csv")
    IngestService(trial.settings).publish(open_files([source]), name, described, described.tables[0])
    found = trial.rows(f"SELECT * FROM {trial.physical(str(name))} ORDER BY source_id")
    types = trial.rows("SELECT column_name, datatype FROM tap_schema.columns WHERE table_name = %s", str(name))
    assert {("bp_coefficients", "double"), ("rp_coefficient_errors", "float"), ("bp_n_parameters", "short")} <= {
        tuple(row) for row in types
    }
    without = next(row for row in found if row["source_id"] == 5405570973190252288)
    assert (without["bp_coefficients"], without["bp_n_parameters"]) == (None, None)
    assert without["rp_coefficients"][:2] == [38.18018501664883, 23.11197089552271]
