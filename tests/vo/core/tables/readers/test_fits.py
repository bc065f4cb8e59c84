from __future__ import annotations

import gzip
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from vo.core.errors import TableError
from vo.core.tables import Datatype

from .reading import assert_same, every_type, read, stilts


def table_of_every_type() -> Table:
    table = every_type()
    table.remove_column("unicode")
    return table


def write(path: Path, *columns: fits.Column, **cards: object) -> Path:
    hdu = fits.BinTableHDU.from_columns(list(columns))
    hdu.header.update(cards)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path, overwrite=True)
    return path


def test_reads_what_astropy_wrote(tmp_path: Path) -> None:
    path = tmp_path / "t.fits"
    table_of_every_type().write(path)
    found = read(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = Table.read(path)
    assert found["short"][1] is None
    assert found["byte"] == [0, 40, None, 120, 160, 200, 240]
    assert found.columns["double"].unit == "mas"
    assert found.columns["matrix"].arraysize == "2x3"
    assert_same(found, expected)


@pytest.mark.parametrize("ofmt", ["fits-basic", "fits", "fits-var"])
def test_reads_what_stilts_wrote(tmp_path: Path, ofmt: str) -> None:
    source = tmp_path / "source.fits"
    table = table_of_every_type()
    table.write(source)
    meta = "colmeta -desc Parallax -ucd pos.parallax -utype a:b double"
    path = stilts(source, tmp_path / "t.fits", ofmt, "tablename cat", meta)
    found = read(path)
    assert found["long"][3:5] == [3 * (1 << 60) + 1, None]
    assert found["flag"][:3] == [True, False, True]
    assert [text or "" for text in found["text"]] == list(table["text"])
    assert found["vector"][6] == [18.0, 19.0, 20.0]
    assert found.columns["double"].unit == "mas"
    assert found.columns["double"].ucd == "pos.parallax"
    assert found.columns["double"].utype == "a:b"
    assert found.columns["double"].description == "Parallax"
    assert found.metadata.name == "cat"
    assert found.metadata.rows == 7


def test_integers_of_the_other_sign_and_scaled_numbers(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.fits",
        fits.Column("i1", "B", bzero=-128, array=np.array([-128, 0, 127], "i1")),
        fits.Column("u2", "I", bzero=32768, array=np.array([0, 40000, 65535], "u2")),
        fits.Column("u4", "J", bzero=2**31, array=np.array([0, 3_000_000_000, 2**32 - 1], "u4")),
        fits.Column("u8", "K", bzero=2**63, array=np.array([0, 1, 2**63 - 1], "u8")),
        fits.Column("scaled", "I", array=np.array([0, 1, 2], "i2")),
        TSCAL5=0.5,
        TZERO5=10.0,
    )
    found = read(path)
    assert found["i1"] == [-128, 0, 127]
    assert found["u2"] == [0, 40000, 65535]
    assert found["u4"] == [0, 3_000_000_000, 2**32 - 1]
    assert found["u8"] == [0, 1, 2**63 - 1]
    assert found["scaled"] == [10.0, 10.5, 11.0]
    assert [column.datatype.value for column in found.columns.values()] == ["short", "int", "long", "long", "double"]
    path = write(tmp_path / "t.fits", fits.Column("u8", "K", bzero=2**63, array=np.array([2**63], "u8")))
    with pytest.raises(TableError, match="Column 'u8' holds a number larger than a long"):
        read(path)


def test_null_of_a_shifted_integer(tmp_path: Path) -> None:
    path = write(tmp_path / "t.fits", fits.Column("u2", "I", bzero=32768, null=-1, array=np.array([0, 32767, 5], "u2")))
    assert read(path)["u2"] == [0, None, 5]


def test_bits_complex_text_and_variable_arrays(tmp_path: Path) -> None:
    arrays = np.array([np.array([1.5, 2.5]), np.array([]), np.array([3.5])], object)
    counts = np.array([np.array([1, -2], "i4"), np.array([3], "i4"), np.array([], "i4")], object)
    path = write(
        tmp_path / "t.fits",
        fits.Column("x", "11X", array=np.arange(33).reshape(3, 11) % 3 == 0),
        fits.Column("c", "C", array=np.array([1 + 2j, 3 - 4j, 0], "c8")),
        fits.Column("cc", "2M", array=np.arange(6).reshape(3, 2) * (1 + 1j)),
        fits.Column("s", "4A", array=np.array(["ab", "abcd", ""])),
        fits.Column("ss", "6A", dim="(3,2)", array=np.array([["ab", "c"], ["d", "ef"], ["", "g"]])),
        fits.Column("p", "PD()", array=arrays),
        fits.Column("q", "QJ()", array=counts),
    )
    found = read(path)
    assert found["x"] == (np.arange(33).reshape(3, 11) % 3 == 0).tolist()
    assert found["c"] == [[1, 2], [3, -4], [0, 0]]
    assert found["cc"][2] == [4, 4, 5, 5]
    assert (found.columns["cc"].arraysize, found.columns["cc"].datatype) == ("2", Datatype.DOUBLE_COMPLEX)
    assert found["s"] == ["ab", "abcd", ""]
    assert found.columns["s"].arraysize == "4"
    assert found.columns["ss"].arraysize == "3x2"
    assert found["p"] == [[1.5, 2.5], [], [3.5]]
    assert found["q"] == [[1, -2], [3], []]


def test_descriptions(tmp_path: Path) -> None:
    path = tmp_path / "t.fits"
    write(path, fits.Column("ra", "D", unit="deg", array=[1.0]), fits.Column("t", "10A", array=["2020-01-02"]))
    with fits.open(path, mode="update") as hdus:
        header = hdus[1].header
        header.update({"TUCD1": "pos.eq.ra", "TUTYP1": "a:b", "TCOMM1": "right ascension", "TXTYP2": "timestamp"})
        header["TTYPE2"] = ("t", "time of observation")
        header["EXTNAME"] = "STARS"
        header["TELESCOP"] = "Gaia"
    found = read(path)
    ra = found.columns["ra"]
    assert (ra.unit, ra.ucd, ra.utype, ra.description) == ("deg", "pos.eq.ra", "a:b", "right ascension")
    assert found.columns["t"].description == "time of observation"
    assert str(found["t"][0]) == "2020-01-02 00:00:00"
    assert found.metadata.name == "STARS"
    assert found.metadata.infos == {"TELESCOP": "Gaia"}


def test_ascii_table(tmp_path: Path) -> None:
    path = tmp_path / "t.fits"
    hdu = fits.TableHDU.from_columns(
        [
            fits.Column("n", "I6", ascii=True, array=np.array([1, -20, 300]), null="-20"),
            fits.Column("d", "D23.15", ascii=True, array=np.array([1.5, -2.5e10, 0.0])),
            fits.Column("s", "A5", ascii=True, array=np.array(["a", "bc", "defgh"])),
        ]
    )
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    found = read(path)
    assert found["n"] == [1, None, 300]
    assert found["d"] == [1.5, -2.5e10, 0.0]
    assert found["s"] == ["a", "bc", "defgh"]


def test_choice_of_table(tmp_path: Path) -> None:
    path = tmp_path / "t.fits"
    one = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=[1])], name="ONE")
    two = fits.BinTableHDU.from_columns([fits.Column("b", "J", array=[2])], name="TWO")
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.zeros((3, 3))), one, two]).writeto(path)
    assert read(path)["a"] == [1]
    assert read(path, table=3)["b"] == [2]
    assert read(path, table="two")["b"] == [2]
    for wanted, message in (
        (1, "HDU 1 of the file is no table"),
        ("X", "no table 'X'; its tables: 2 \\(ONE\\), 3 \\(TWO\\)"),
    ):
        with pytest.raises(TableError, match=message):
            read(path, table=wanted)


def test_gzipped(tmp_path: Path) -> None:
    path = tmp_path / "t.fits"
    table_of_every_type().write(path)
    packed = tmp_path / "t.fits.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert str(read(packed).table.to_pylist()) == str(read(path).table.to_pylist())
    packed.write_bytes(gzip.compress(path.read_bytes())[:-20])
    with pytest.raises(TableError, match="compressed data are damaged or end too early"):
        read(packed)


def test_broken_files(tmp_path: Path) -> None:
    path = tmp_path / "t.fits"
    arrays = np.array([np.arange(500.0), np.arange(900.0)], object)
    write(path, fits.Column("a", "J", array=[1, 2]), fits.Column("p", "PD()", array=arrays))
    whole = path.read_bytes()
    for length in (100, 2880, 5000, 5760, 5780, 9000):
        path.write_bytes(whole[:length])
        with pytest.raises(TableError):
            read(path, format="fits")
    start = 5760
    path.write_bytes(whole[:start] + whole[start : start + 8] + b"\x7f\xff\xff\xf0" + whole[start + 12 :])
    with pytest.raises(TableError, match="Column 'p' has an array outside the heap"):
        read(path)
    path.write_bytes(whole.replace(b"'J       '", b"'Z       '"))
    with pytest.raises(TableError):
        read(path)


def test_real_file(shared: Path) -> None:
    path = shared / "data/xp/XP_CONTINUOUS_RAW.fits"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = Table.read(path)
    found = read(path)
    assert_same(found, expected)
    assert found.columns["source_id"].ucd == "meta.id;meta.main"
    assert found.columns["source_id"].datatype is Datatype.LONG


def test_many_blocks(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    table = Table({"i": rng.integers(-1000, 1000, 300_000), "d": rng.normal(size=300_000)})
    table.write(tmp_path / "t.fits")
    found = read(tmp_path / "t.fits")
    assert len(found.batches) > 2
    assert max(found.batches) < 4 << 20
    assert np.array_equal(found.table["i"].to_numpy(), table["i"])
    assert np.array_equal(found.table["d"].to_numpy(), table["d"])
