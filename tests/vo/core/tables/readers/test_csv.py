from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet
import pytest

from vo.core.errors import TableError
from vo.core.tables import Datatype

from .reading import every_type, read, stilts

SETS = ("xp", "epoch_astrometry", "gost", "selection")


def write(tmp_path: Path, text: str, name: str = "t.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, newline="")
    return path


def test_guesses(tmp_path: Path) -> None:
    found = read(
        write(
            tmp_path,
            "i,d,b,t,s,e,null,hex,big,date\n"
            "1,1,true,2024-01-01T10:00:00Z,a,,NA,0x1F,18446744073709551615,2024-01-01\n"
            '-2,2.5e3,False,2024-01-01 10:00:00.25,"x,""y""",,null,10,1,2024-02-30x\n'
            " 3 ,NaN,TRUE,,null,,,11,2,\n",
        )
    )
    types = {name: (column.datatype.value, column.xtype) for name, column in found.columns.items()}
    text = ("unicodeChar", None)
    assert types == {
        "i": ("long", None), "d": ("double", None), "b": ("boolean", None), "t": ("char", "timestamp"), "s": text,
        "e": text, "null": text, "hex": text, "big": text, "date": text,
    }  # fmt: skip
    assert found["i"] == [1, -2, 3]
    assert found["d"][:2] == [1.0, 2500.0]
    assert found["b"] == [True, False, True]
    assert str(found["t"][1]) == "2024-01-01 10:00:00.250000"
    assert found["s"] == ["a", 'x,"y"', "null"]
    assert found["big"][0] == "18446744073709551615"
    assert found.metadata.rows == 3


def test_empty_and_quoted_empty(tmp_path: Path) -> None:
    found = read(write(tmp_path, 'a,b\nx,1\n"",2\n,3\n'))
    assert found["a"] == ["x", "", None]
    assert read(write(tmp_path, 'a,b\n5" disc,1\n'))["a"] == ['5" disc']


@pytest.mark.parametrize(("last", "datatype"), [("1.5", "double"), ("text", "unicodeChar"), ("9" * 20, "unicodeChar")])
def test_types_are_guessed_from_all_blocks(tmp_path: Path, last: str, datatype: str) -> None:
    numbers = "\n".join(str(number) for number in range(1_500_000))
    path = write(tmp_path, f"n\n{numbers}\n{last}\n")
    assert path.stat().st_size > 2 * (4 << 20)
    found = read(path)
    assert found.columns["n"].datatype == datatype
    assert found.table.num_rows == 1_500_001
    assert str(found["n"][-1]) == last


def test_identifiers_keep_their_digits(tmp_path: Path) -> None:
    identifiers = "\n".join(str(2**60 + number) for number in range(500_000))
    found = read(write(tmp_path, f"n\n{identifiers}\n1.5\n"))
    assert found.columns["n"].datatype is Datatype.UNICODE_CHAR
    assert found["n"][0] == str(2**60)


def test_comments_mark_repeated_names_and_line_ends(tmp_path: Path) -> None:
    found = read(write(tmp_path, '\ufeff# one\r\n# two\r\na, a ,"b\nc"\r\n1,2,"x\ny"\r\n'))
    assert found.table.column_names == ["a", "a", "b\nc"]
    assert [column.to_pylist() for column in found.table.columns] == [[1], [2], ["x\ny"]]


def test_tab_separated(tmp_path: Path) -> None:
    found = read(write(tmp_path, "a\tb\n1\tx,y\n", "t.tsv"))
    assert found["b"] == ["x,y"]
    assert read(write(tmp_path, "a\tb\n1\tx,y\n", "t.txt"), format="tsv")["a"] == [1]


@pytest.mark.parametrize(
    ("text", "names", "cells"),
    [
        ('n\tt\n1\t"a\n2\tb" 5\n3\t"c"\n', ["n", "t"], ['"a', 'b" 5', '"c"']),
        ('n\tt\n1\t"a\tb"\n', ["n", "t"], ["a\tb"]),
        ('"n"\t"t"\n1\t"a, b"\n', ["n", "t"], ["a, b"]),
    ],
)
def test_tabs_and_quotes(tmp_path: Path, text: str, names: list[str], cells: list[str]) -> None:
    found = read(write(tmp_path, text, "t.tsv"))
    assert found.table.column_names == names
    assert found["t"] == cells


@pytest.mark.parametrize("name", ["t.csv", "t.tsv"])
def test_rows_that_ended_early_are_no_table(tmp_path: Path, name: str) -> None:
    text = "n\n1\n# ERROR it broke, sorry.\n"
    with pytest.raises(TableError, match=r"its service failed: it broke, sorry\.$"):
        read(write(tmp_path, text, name))
    assert str(read(write(tmp_path, f"{text}2\n", name))["n"][-1]) == "2"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_guesses_the_delimiter(tmp_path: Path, delimiter: str, newline: str) -> None:
    rows = (("name", "ra", "note"), ("x", "1.5", '"a, b; c|d"'), ("y", "-2", ""))
    text = "\ufeff# made by hand\n" + "".join(delimiter.join(row) + newline for row in rows)
    found = read(write(tmp_path, text))
    assert found["ra"] == [1.5, -2.0]
    assert found["note"] == ["a, b; c|d", None]


def test_without_column_names(tmp_path: Path) -> None:
    found = read(write(tmp_path, "Sirius,101.28,-16.7\nVega,279.23,38.8\n"))
    assert found.table.column_names == ["col1", "col2", "col3"]
    assert found["col1"] == ["Sirius", "Vega"]
    assert found.metadata.rows == 2
    assert read(write(tmp_path, ",0,1\n0,5.5,6\n"))["0"] == [5.5]  # as pandas writes an array


def test_comments_between_rows_and_words_for_null(tmp_path: Path) -> None:
    found = read(write(tmp_path, "a,b,c,d\n1,nan,true,x\n# half way\n--,Inf,None,null\n\\N,-inf,NULL,NA\n"))
    assert found["a"] == [1, None, None]
    assert str(found["b"]) == "[nan, inf, -inf]"
    assert found["c"] == [True, None, None]
    assert found["d"] == ["x", "null", "NA"]


def test_no_rows(tmp_path: Path) -> None:
    found = read(write(tmp_path, "a,b\n"))
    assert list(found.columns) == ["a", "b"]
    assert found.table.num_rows == 0
    assert found.metadata.rows == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no line of column names"),
        ("a,b\n1,2\n3\n", "Line 3 of the file has 1 cells where the table has 2 columns"),
        ("a,b\n1,2,3\n", "Line 2 of the file has 3 cells"),
        ("a\n1\n\0\n", "NUL"),
        ('a,b\n1,"' + "x" * 9_000_000, "ends inside a quoted cell|more than 2 MB, or a quote without an end"),
        ('a,b\n1,"x', "ends inside a quoted cell"),
        ('a,b\n1,"x ""y', "ends inside a quoted cell"),
    ],
)
def test_broken_files(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TableError, match=message):
        read(write(tmp_path, text))


def test_broken_bytes(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"a\n\xff\xfe\n")
    with pytest.raises(TableError, match=r"UTF8|UTF-8"):
        read(path)
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"a\n" + b"1\n" * 10000)[:-10])
    with pytest.raises(TableError, match="damaged or end too early"):
        read(path)
    with pytest.raises(TableError, match="one table only"):
        read(write(tmp_path, "a\n1\n"), table="x")


def test_reads_what_stilts_wrote(tmp_path: Path) -> None:
    source = tmp_path / "t.fits"
    table = every_type()
    table.remove_columns(["vector", "matrix", "unicode"])
    table.write(source)
    found = read(stilts(source, tmp_path / "t.csv", "csv"))
    assert found["long"] == [
        1,
        (1 << 60) + 1,
        2 * (1 << 60) + 1,
        3 * (1 << 60) + 1,
        None,
        5 * (1 << 60) + 1,
        6 * (1 << 60) + 1,
    ]
    assert found["flag"][:3] == [True, False, True]
    assert found["double"][1:5] == [float("inf"), float("-inf"), 1e-300, -0.0]
    assert found["text"][2] == "<&>\"'"


def test_real_files(shared: Path) -> None:
    for path in sorted(path for name in SETS for path in (shared / "data" / name).rglob("*.csv*")):
        found = read(path)
        skipped = sum(line.startswith(b"#") for line in _lines(path))
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            expected = pyarrow.csv.read_csv(
                file,
                read_options=pyarrow.csv.ReadOptions(skip_rows=skipped),
                parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
            )
        assert found.metadata.rows == found.table.num_rows == expected.num_rows
        for column, ours, theirs in zip(found.columns.values(), found.table.columns, expected.columns, strict=False):
            if column.is_array and column.datatype is Datatype.DOUBLE:
                texts = [None if text in ("", "null") else text.strip("[]()").split(",") for text in theirs.to_pylist()]
                lists = [None if texts is None else list(map(float, texts)) for texts in texts]
                assert np.array_equal(_flat(ours.to_pylist()), _flat(lists), equal_nan=True), (path.name, column.name)
            elif column.datatype in {Datatype.LONG, Datatype.DOUBLE} and len(found.columns) == expected.num_columns:
                assert ours.cast(theirs.type).to_pylist() == theirs.to_pylist(), (path.name, column.name)


def _flat(lists: Iterable[list[float] | None]) -> list[float]:
    """Return the elements of all lists, each list after how many it has."""
    return [value for found in lists for value in (-1.0 if found is None else len(found), *(found or ()))]


def test_lists_of_numbers(tmp_path: Path) -> None:
    found = read(
        write(
            tmp_path,
            "archive,gaiaxpy,longs,holes,notes,late,nested,versions\n"
            '"[1.5, -2e3, NaN]","(0.1, 2)","[1,2]","[1.5, null ,2]","[1]",1,"[[1,2],[3,4]]","(1.2, 3.4)"\n'
            'null,"()","[]","[]","(2)","[1,2]","[[1,2],[3,4]]","(1.2.3, 4)"\n'
            '"[ 7 ]",,"[9223372036854775807]",,,"[3,4]",,\n',
        )
    )
    assert {name: (column.datatype.value, column.arraysize) for name, column in found.columns.items()} == {
        **dict.fromkeys(("archive", "gaiaxpy", "holes"), ("double", "*")),
        "longs": ("long", "*"),
        **dict.fromkeys(("notes", "late", "nested", "versions"), ("unicodeChar", "*")),
    }
    assert repr(found["archive"]) == "[[1.5, -2000.0, nan], None, [7.0]]"
    assert found["gaiaxpy"] == [[0.1, 2.0], [], None]
    assert found["longs"] == [[1, 2], [], [2**63 - 1]]
    assert found["holes"] == [[1.5, None, 2.0], [], None]
    assert found["notes"] == ["[1]", "(2)", None]
    assert found["late"] == ["1", "[1,2]", "[3,4]"]


def test_lists_over_many_batches(tmp_path: Path) -> None:
    rows = [[number / 7, *([float(number)] * (number % 50))] for number in range(20_000)]
    path = write(tmp_path, "n,values\n" + "".join(f'{number},"{row}"\n' for number, row in enumerate(rows)))
    found = read(path)
    assert len(found.batches) > 2
    assert found["values"] == rows
    with path.open("a") as file:
        file.write('20000,"[1, two]"\n')  # then it is text, all of it
    assert read(path)["values"][-1] == "[1, two]"


def test_the_spectra_of_the_archive_are_the_same_in_all_forms(shared: Path, tmp_path: Path) -> None:
    folder = shared / "data" / "xp"
    wanted = read(folder / "XP_CONTINUOUS_RAW.ecsv.gz").table
    pyarrow.parquet.write_table(wanted, tmp_path / "xp.parquet")
    with pyarrow.ipc.new_file(tmp_path / "xp.arrow", wanted.schema) as file:
        file.write(wanted)
    forms = [folder / f"XP_CONTINUOUS_RAW.{end}" for end in ("csv.gz", "fits", "xml")]
    for path in (*forms, tmp_path / "xp.parquet", tmp_path / "xp.arrow"):
        found = read(path).table
        assert found.cast(wanted.schema).equals(wanted), path.name  # CSV has no types: all is double
    assert [len(cells) for cells in wanted.column("bp_coefficient_correlations").to_pylist()] == [1485, 1485]


def test_a_spectrum_without_one_band(shared: Path) -> None:
    found = read(shared / "data" / "xp" / "XP_CONTINUOUS_RAW_with_missing_BP.csv.gz")
    assert [cells is None for cells in found["bp_coefficients"]] == [False, True, False]
    assert [len(cells) for cells in found["rp_coefficients"]] == [55, 55, 55]


def _lines(path: Path) -> list[bytes]:
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()
