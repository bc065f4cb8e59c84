"""Files of every format through ``vo ingest`` into PostgreSQL: metadata and values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from astropy.io import fits
from astropy.table import Column, MaskedColumn, Table

from tests.tap.ingest.conftest import Trial
from vo.core.errors import TableError

Metadata = dict[str, tuple[str, str | None, str | None, str | None]]

ROWS = 500
IDS = np.arange(ROWS, dtype=np.int64) * 2**40 + 1
RA = np.linspace(0, 359.5, ROWS)
DEC = np.linspace(89, -89, ROWS)
MAG = np.linspace(3, 20, ROWS, dtype=np.float32)
FLAG = np.arange(ROWS) % 3 == 0
NAME = np.array([f"star {place}" for place in range(ROWS)])
FLUX = np.arange(3 * ROWS, dtype=np.float32).reshape(ROWS, 3)
NOTE = np.array(["Ørsted" if place == 7 else "plain" for place in range(ROWS)])
WITHOUT_MAG = 3

METADATA: Metadata = {
    "source_id": ("long", None, None, "meta.id;meta.main"),
    "ra": ("double", None, "deg", "pos.eq.ra;meta.main"),
    "dec": ("double", None, "deg", "pos.eq.dec;meta.main"),
    "mag": ("float", None, "mag", "phot.mag"),
    "flag": ("boolean", None, None, None),
    "name": ("char", "*", None, None),
    "flux": ("float", "3", "Jy", None),
    "note": ("unicodeChar", "*", None, None),
}


def table() -> Table:
    made = Table()
    made["source_id"] = Column(IDS, description="Number")
    made["RA"] = Column(RA, unit="deg", description="Right ascension")
    made["Dec"] = Column(DEC, unit="deg")
    made["mag"] = MaskedColumn(MAG, unit="mag", mask=np.arange(ROWS) == WITHOUT_MAG)
    made["flag"] = FLAG
    made["name"] = NAME
    made["flux"] = Column(FLUX, unit="Jy")
    made["note"] = NOTE
    ucds = {"source_id": "meta.id;meta.main", "RA": "pos.eq.ra;meta.main", "Dec": "pos.eq.dec;meta.main"}
    for name, ucd in {**ucds, "mag": "phot.mag"}.items():
        made[name].meta["ucd"] = ucd
    return made


def write(folder: Path, suffix: str) -> Path:
    made = table()
    path = folder / f"stars.{suffix}"
    match suffix:
        case "vot":
            made.write(path, format="votable", tabledata_format="binary2")
        case "fits":
            made.remove_column("note")  # FITS has ASCII only
            made.write(path)
            with fits.open(path, mode="update") as file:
                for number, name in enumerate(made.colnames, 1):
                    if "ucd" in made[name].meta:
                        file[1].header[f"TUCD{number}"] = made[name].meta["ucd"]
        case "csv":
            made.remove_column("flux")
            made.write(path, format="ascii.csv")
        case "ecsv":
            made.write(path, format="ascii.ecsv")
        case "parquet":
            made.write(path)
    return path


def expected(suffix: str) -> Metadata:
    match suffix:
        case "csv":
            names = {**METADATA, "mag": ("double", None, None, None)}
            del names["flux"]
            return {name: (datatype, size, None, None) for name, (datatype, size, _, _) in names.items()}
        case "fits":
            names = {**METADATA, "name": ("char", "8", None, None)}
            del names["note"]
            return names
        case "vot":  # Astropy writes booleans as bits
            sized: Metadata = {"name": ("char", "8", None, None), "note": ("unicodeChar", "6", None, None)}
            return {**METADATA, **sized, "flag": ("bit", None, None, None)}
    return METADATA


@pytest.mark.parametrize("suffix", ["vot", "fits", "csv", "ecsv", "parquet"])
def test_a_file_is_published_with_its_metadata_and_values(trial: Trial, tmp_path: Path, suffix: str) -> None:
    name = f"formats.{suffix}"
    done = trial.vo("ingest", write(tmp_path, suffix), "--table", name)
    assert f"{name}: 500 rows in" in done.stderr

    found = trial.rows(
        "SELECT column_name, datatype, arraysize, unit, ucd FROM tap_schema.columns WHERE table_name = %s"
        " ORDER BY column_index",
        name,
    )
    assert {row[0]: tuple(row[1:]) for row in found} == expected(suffix)
    assert [row[0] for row in found][:5] == ["source_id", "ra", "dec", "mag", "flag"]
    if suffix in ("vot", "ecsv", "parquet"):
        described = trial.rows(
            "SELECT description FROM tap_schema.columns WHERE table_name = %s ORDER BY column_index", name
        )
        assert [row[0] for row in described][:3] == ["Number", "Right ascension", None]
    [pointer] = trial.rows("SELECT * FROM vo.published_tables WHERE table_name = %s", name)
    assert (pointer["row_count"], pointer["position_ra"], pointer["position_dec"]) == (ROWS, "ra", "dec")
    indexed = trial.rows("SELECT column_name FROM tap_schema.columns WHERE table_name = %s AND indexed = 1", name)
    assert sorted(row[0] for row in indexed) == ["dec", "ra"]

    rows = trial.rows(f"SELECT * FROM {name} ORDER BY source_id")
    assert [row["source_id"] for row in rows] == IDS.tolist()
    assert [row["ra"] for row in rows] == RA.tolist()
    assert [row["dec"] for row in rows] == DEC.tolist()
    assert [row["mag"] for row in rows][WITHOUT_MAG] is None
    magnitudes = np.array([row["mag"] for row in rows], float).astype(np.float32)
    assert np.array_equal(np.delete(magnitudes, WITHOUT_MAG), np.delete(MAG, WITHOUT_MAG))
    assert [row["flag"] for row in rows] == FLAG.tolist()
    assert [row["name"] for row in rows] == NAME.tolist()
    if "flux" in expected(suffix):
        assert np.array_equal(np.array([row["flux"] for row in rows], np.float32), FLUX)
    if "note" in expected(suffix):
        assert [row["note"] for row in rows] == NOTE.tolist()


DESCRIPTION = """
name: described
description: Stars with a description
tap:schema_index: 3
tables:
  - name: stars
    description: Described stars
    primaryKey: "#stars.id"
    indexes: [{name: by_mag, columns: ["#stars.mag"]}]
    vo:position: {ra: lon, dec: lat, epoch: J2016.0}
    vo:layout: {kind: table, keep: [{column: source_id, maximum: 109951162777601}]}
    columns:
      - {name: id, vo:source: source_id, datatype: long, description: Their number, "tap:principal": true}
      - {name: lon, vo:source: RA, datatype: double, "ivoa:unit": deg, "ivoa:ucd": pos.eq.ra}
      - {name: lat, vo:source: DEC, datatype: double}
      - {name: mag, datatype: double, "ivoa:unit": mmag, "vo:source_unit": mag}
      - {name: name, datatype: unicode}
"""


def test_a_description_decides(trial: Trial, tmp_path: Path) -> None:
    description = tmp_path / "described.yaml"
    description.write_text(DESCRIPTION)
    done = trial.vo("ingest", write(tmp_path, "fits"), "--description", description)
    assert "described.stars: 101 rows in" in done.stderr
    assert "not in the description, published as the file has them: flag, flux" in done.stderr
    assert "without description: lon, lat, mag, name, flag, flux" in done.stderr

    columns = trial.rows("SELECT * FROM tap_schema.columns WHERE table_name = 'described.stars' ORDER BY column_index")
    names = ("column_name", "datatype", "unit", "ucd", "indexed", "principal")
    assert [[row[name] for name in names] for row in columns] == [
        ["id", "long", None, "meta.id;meta.main", 1, 1],
        ["lon", "double", "deg", "pos.eq.ra", 1, 0],
        ["lat", "double", "deg", "pos.eq.dec;meta.main", 1, 0],
        ["mag", "double", "mmag", "phot.mag", 1, 0],
        ["name", "unicodeChar", None, None, 0, 0],
        ["flag", "boolean", None, None, 0, 0],
        ["flux", "float", "Jy", None, 0, 0],
    ]
    [schema] = trial.rows("SELECT * FROM tap_schema.schemas WHERE schema_name = 'described'")
    assert (schema["description"], schema["schema_index"]) == ("Stars with a description", 3)
    [pointer] = trial.rows("SELECT * FROM vo.published_tables WHERE table_name = 'described.stars'")
    assert (pointer["position_ra"], pointer["unique_columns"]) == ("lon", ["id"])
    assert pointer["curation"]["position"]["epoch"] == "J2016.0"
    assert trial.value("SELECT mag FROM described.stars WHERE id = 1") == pytest.approx(3000.0)
    definitions = trial.rows("SELECT indexdef FROM pg_indexes WHERE schemaname = 'described' ORDER BY indexname")
    assert len(definitions) == 3
    assert sum("UNIQUE" in definition and "(id)" in definition for [definition] in definitions) == 1
    assert sum("q3c_ang2ipix(lon, lat)" in definition for [definition] in definitions) == 1


@pytest.mark.parametrize(
    ("texts", "described", "datatype", "remark"),
    [
        (["abc", None], {}, "char", False),
        (["abc", "Ångström"], {}, "unicodeChar", False),
        (["abc", "Ångström"], {"datatype": "char"}, "unicodeChar", True),
        (["abc", "def"], {"datatype": "unicode"}, "unicodeChar", False),
    ],
)
def test_text_is_published_as_what_it_needs(
    trial: Trial, texts: list[Any], described: dict[str, str], datatype: str, remark: bool
) -> None:
    columns = [{"name": "s", **described}] if described else []
    report = trial.publish_columns("content.words", {"s": pa.array(texts, pa.string())}, columns=columns)
    assert trial.value("SELECT datatype FROM tap_schema.columns WHERE table_name = 'content.words'") == datatype
    assert ("s holds more than ASCII and is published as unicodeChar" in report.remarks) == remark
    assert sorted(row[0] or "" for row in trial.rows("SELECT s FROM content.words")) == sorted(t or "" for t in texts)


def test_names_that_need_quotes(trial: Trial) -> None:
    trial.publish_columns("content.odd", {"B-V": [1.5], 'say "hi"': [2], "select": [3], "100%": [4], "Ä": [5]})
    found = trial.rows(
        "SELECT column_name FROM tap_schema.columns WHERE table_name = 'content.odd' ORDER BY column_index"
    )
    assert [row[0] for row in found] == ['"B-V"', '"say ""hi"""', '"select"', '"100%"', '"Ä"']
    [row] = trial.rows("SELECT * FROM content.odd")
    assert dict(row) == {"B-V": 1.5, 'say "hi"': 2, "select": 3, "100%": 4, "Ä": 5}


def test_an_empty_file_is_an_empty_table(trial: Trial, tmp_path: Path) -> None:
    path = tmp_path / "empty.csv"
    path.write_text("ra,dec,n\n")
    assert trial.publish_file("content.empty", path).rows == 0
    table()[:0].write(tmp_path / "empty.fits")
    report = trial.publish_file("content.nothing", tmp_path / "empty.fits")
    assert report.rows == trial.value("SELECT count(*) FROM content.nothing") == 0
    assert trial.value("SELECT row_count FROM vo.published_tables WHERE table_name = 'content.nothing'") == 0


def test_a_table_without_position_keeps_the_order_of_the_file(trial: Trial) -> None:
    numbers = np.random.default_rng(1).permutation(50_000)
    report = trial.publish_columns("content.plain", {"n": numbers, "x": numbers / 7})
    assert any("no position found" in remark for remark in report.remarks)
    assert "sort" not in report.seconds
    assert [row[0] for row in trial.rows("SELECT n FROM content.plain")] == numbers.tolist()


def test_progress_is_told_by_stage(trial: Trial) -> None:
    batch = pa.record_batch({"ra": RA, "dec": DEC})
    told: list[tuple[str, int]] = []
    trial.publish("content.told", [batch] * 3, batch.schema, progress=lambda stage, rows: told.append((stage, rows)))
    assert list(dict.fromkeys(stage for stage, _ in told)) == ["sort", "load", "index", "publish", "tidy"]
    assert [rows for stage, rows in told if stage == "sort"][-3:] == [500, 1000, 1500]
    assert max(rows for stage, rows in told if stage == "load") == 1500


def test_what_the_command_refuses(trial: Trial, tmp_path: Path) -> None:
    path = write(tmp_path, "csv")
    for arguments, message in [
        ((path,), "The table has no name"),
        ((path, "--table", "stars"), "cannot be a table name"),
        ((path, "--table", "tap_schema.tables"), "belongs to the system"),
        ((tmp_path / "none.csv", "--table", "a.b"), "There is no file 'none.csv'"),
        ((path, "--description", tmp_path / "none.yaml"), "none.yaml cannot be read: No such file"),
    ]:
        done = trial.vo("ingest", *arguments, check=False)
        assert done.returncode != 0
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def test_numbers_that_no_table_holds(trial: Trial) -> None:
    with pytest.raises(TableError, match="does not fit its type short"):
        trial.publish_columns("content.big", {"n": [1, 100_000]}, columns=[{"name": "n", "datatype": "short"}])
    assert not [name for _, name in trial.relations("content") if name.startswith("big")]
