from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table

from vo.core.tables import Column, Datatype
from vo.core.tables.readers import open_table
from vo.core.tables.writers import Outcome, ResultMetadata, find_format

from .samples import ARRAYS, NULL_ARRAYS, SCALARS, Sample, batch_of, columns_of_sample, sliced, write

TEXT = Column("text", Datatype.UNICODE_CHAR, "*")
NUMBER = Column("n", Datatype.INT)
MORE: Sample = [
    (Column("z", Datatype.DOUBLE_COMPLEX), [[1.5, -2.0], None, [math.nan, math.inf], [0.0, -0.0]]),
    (Column("zs", Datatype.FLOAT_COMPLEX, "2"), [[1.0, 2.0, 3.0, 4.0], None, [0.5] * 4, [0.0] * 4]),
    (Column("pairs", Datatype.FLOAT, "2x*"), [[1.0, 2.0, 3.0, 4.5], None, [5.0, 6.0], []]),
]


def ecsv(sample: Sample, **options: Any) -> str:
    return write("ecsv", columns_of_sample(sample), sliced(batch_of(sample)), **options).decode()


def by_astropy(sample: Sample, **options: Any) -> Table:
    return Table.read(ecsv(sample, **options), format="ascii.ecsv")


def plain(value: Any) -> Any:
    if value is np.ma.masked:
        return None
    if isinstance(value, np.ndarray | np.generic):
        return np.ma.asarray(value).tolist()
    return value


def test_astropy_reads_every_type_with_nulls_from_several_batches() -> None:
    sample = [*SCALARS, *ARRAYS, *NULL_ARRAYS, *MORE]
    table = by_astropy(sample)
    found = {name: repr([plain(cell) for cell in table[name]]) for name in table.colnames}
    wanted = {column.name: list(cells) for column, cells in sample}
    # What astropy makes of it: empty texts are masked, and so is each element of a null array of fixed length; a null
    # in a variable array becomes NaN or False, unless it is of integers.
    wanted["ünïcode name"][2] = wanted["fixed"][3] = None
    wanted["observed"] = ["2016-01-01T00:00:00", "2016-01-01T00:00:00.12", None, "2016-01-01T10:20:30"]
    wanted["doubles"] = [[cell[:2], cell[2:]] for cell in wanted["doubles"]]
    wanted["zs"] = [cell and [cell[:2], cell[2:]] for cell in wanted["zs"]]
    wanted["longs"][1] = wanted["bytes"][1] = wanted["flags"][2] = wanted["pairs"][1] = []
    wanted["flags"][0] = [True, False]
    wanted["floats"] = [[1.5, 2.5, math.nan, math.nan], [], [0.5, -0.5, math.inf], []]
    for name, length in (("null position", 2), ("null shorts", 2), ("null bits", 3), ("null flags", 2), ("z", 2)):
        wanted[name] = [[None] * length if cell is None else cell for cell in wanted[name]]
    wanted["zs"][1] = [[None, None]] * 2
    wanted["magnitude"] = [cell and float(np.float32(cell)) for cell in wanted["magnitude"]]
    assert {name: cells for name, cells in found.items() if cells != repr(wanted[name])} == {}


def test_our_reader_tells_null_from_nan_and_from_the_empty_array(tmp_path: Path) -> None:
    sample: Sample = [
        (Column("float", Datatype.DOUBLE), [None, math.nan, -math.inf]),
        (Column("floats", Datatype.DOUBLE, "*"), [[math.nan, None], None, []]),
        (Column("matrix", Datatype.LONG, "2x3"), [[2**62, 2, 3, 4, 5, None], None, [0] * 6]),
        (Column("flags", Datatype.BOOLEAN, "*"), [[True, None], None, []]),
        TIME,
    ]
    path = tmp_path / "t.ecsv"
    path.write_text(ecsv(sample))
    stream = open_table(path)
    (batch,) = stream.batches
    assert [(column.name, column.datatype, column.arraysize) for column in stream.columns[:4]] == [
        (column.name, column.datatype, column.arraysize) for column, _ in sample[:4]
    ]
    assert repr([array.to_pylist() for array in batch.columns]) == repr([cells for _, cells in sample])


TIME = SCALARS[-1][0], SCALARS[-1][1][:3]


def test_columns_and_table_carry_their_metadata() -> None:
    column = Column('p, "q" é😀', Datatype.DOUBLE, "2", "point", "deg", "pos.eq", "stc:a", "where\nit: 'is' #1 😀\x85")
    infos = (("QUERY", 'SELECT "a"\n--', ""), ("warning", "one", ""), ("warning", "two", "more"), ("empty", "", ""))
    metadata = ResultMetadata("bright: <stars>", "Stars & {more}", infos=infos)
    table = by_astropy([(column, [[1.0, 2.0]])], metadata=metadata)
    read = table[column.name].info
    assert (str(read.unit), read.description, read.meta) == (
        "deg",
        column.description,
        {"ucd": "pos.eq", "utype": "stc:a", "xtype": "point"},
    )
    assert table.meta == {
        "name": "bright: <stars>",
        "description": "Stars & {more}",
        "QUERY": 'SELECT "a"\n--',
        "warning": "one\ntwo\nmore",
    }


def test_the_header_is_ascii() -> None:
    text = ecsv([(Column("é😀", Datatype.INT, description="Å"), [1])], metadata=ResultMetadata("ß"))
    assert "".join(line for line in text.splitlines() if line.startswith("#")).isascii()


def test_what_the_datatypes_cannot_say_is_in_the_meta() -> None:
    table = by_astropy([*MORE, (Column("bits", Datatype.BIT, "3"), [[True, False, True]] * 4)])
    assert {name: table[name].meta for name in table.colnames} == {
        "z": {"datatype": "doubleComplex"},
        "zs": {"datatype": "floatComplex", "arraysize": "2"},
        "pairs": {"arraysize": "2x*"},
        "bits": {"datatype": "bit"},
    }


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a,b", "a,b"),
        ('say "a"', 'say "a"'),
        ("two\nlines", "two\nlines"),
        ("# not a comment", "# not a comment"),
        ("null", "null"),
        ("nan", "nan"),
        ("--", "--"),
        ("Ångström 😀 \u3000.", "Ångström 😀 \u3000."),
        # astropy strips texts, and takes some characters for the end of a line.
        (" a ", "a"),
        ("return\r", "return\n"),
        *((f"a{separator}b", "a\nb") for separator in "\r\x0b\x0c\x1c\x85\u2028"),
        ("", None),
    ],
)
def test_texts(text: str, read: str | None) -> None:
    table = by_astropy([(TEXT, [text, "z"]), (NUMBER, [1, None])])
    assert [plain(cell) for cell in table["text"]] == [read, "z"]
    assert [plain(cell) for cell in table["n"]] == [1, None]


def test_a_null_alone_in_its_row_is_no_blank_line() -> None:
    assert ecsv([(NUMBER, [1, None, 3])]).endswith('\nn\n1\n""\n3\n')
    assert [plain(cell) for cell in by_astropy([(NUMBER, [1, None, 3])])["n"]] == [1, None, 3]


def test_it_can_tell_neither_overflow_nor_error() -> None:
    sample: Sample = [(NUMBER, [1])]
    assert ecsv(sample, outcome=Outcome(rows=1, overflow=True)) == ecsv(sample)
    assert not find_format("ecsv")[0].writer((NUMBER,), ResultMetadata()).tells_errors


def test_a_table_without_rows() -> None:
    table = by_astropy([(NUMBER, []), (TEXT, [])])
    assert (len(table), table.colnames) == (0, ["n", "text"])
