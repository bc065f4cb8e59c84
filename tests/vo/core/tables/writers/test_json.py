from __future__ import annotations

import io
import json
import math
from typing import Any

import pytest

from vo.core.errors import TableError
from vo.core.tables import Column, Datatype
from vo.core.tables.writers import Outcome, ResultMetadata, find_format

from .samples import ARRAYS, NULL_ARRAYS, SCALARS, Sample, batch_of, columns_of_sample, sliced, write

ID = Column("source_id", Datatype.LONG)
TEXT = Column("text", Datatype.UNICODE_CHAR, "*")


def load(sample: Sample, **options: Any) -> dict[str, Any]:
    document = write("json", columns_of_sample(sample), sliced(batch_of(sample)), **options)
    loaded: dict[str, Any] = json.loads(document, parse_constant=pytest.fail)
    return loaded


def test_every_type_with_nulls_from_several_batches() -> None:
    loaded = load([*SCALARS, *ARRAYS, *NULL_ARRAYS])
    first, second, third, fourth = loaded["data"]
    names = [column["name"] for column in loaded["metadata"]]
    assert names == [column.name for column, _ in (*SCALARS, *ARRAYS, *NULL_ARRAYS)]
    assert dict(zip(names, first, strict=True)) == {
        "source_id": 9223372036854775807,
        "int & <int>": 2147483647,
        'short "quoted"': None,
        "int___int_": 0,
        "flag": True,
        "ra": 0.1,
        "dec": 0,
        "magnitude": 0.1,
        "ünïcode name": "a,b",
        "1st": "Ångström",
        "fixed": "abcde",
        "fixed unicode": "äöü",
        "observed": "2016-01-01T00:00:00",
        "longs": [1, None, -3],
        "shorts": [1, 2, None],
        "bytes": [0, 255, 1],
        "floats": [1.5, 2.5, "NaN", None],
        "doubles": [[1, 2], [None, "Infinity"]],
        "flags": [True, None],
        "two flags": [True, None],
        "bits": [1] * 11,
        "position": [10, -5.5],
        "null position": [1, 2],
        "null shorts": None,
        "null bits": None,
        "null flags": None,
    }
    assert math.copysign(1, first[names.index("dec")]) == -1
    assert [row[names.index("magnitude")] for row in (second, third, fourth)] == ["NaN", None, 3.4028235e38]
    assert [row[names.index("ünïcode name")] for row in (second, third)] == [None, ""]


def test_complex_numbers_are_pairs_and_dimensions_are_nested() -> None:
    loaded = load(
        [
            (Column("z", Datatype.DOUBLE_COMPLEX), [[1.5, -2.0], None, [math.nan, math.inf]]),
            (Column("zs", Datatype.FLOAT_COMPLEX, "*"), [[1.5, -2.0, 3.0, 4.0], [], None]),
            (Column("cube", Datatype.INT, "2x1x*"), [[1, 2, 3, 4], [], None]),
        ]
    )
    assert loaded["data"] == [
        [[1.5, -2], [[1.5, -2], [3, 4]], [[[1, 2]], [[3, 4]]]],
        [None, [], []],
        [["NaN", "Infinity"], None, None],
    ]


def test_columns_carry_their_metadata_and_the_table_its_own() -> None:
    column = Column("p", Datatype.DOUBLE, "2", "point", "deg", "pos.eq", "stc:a", 'where "it" is')
    metadata = ResultMetadata("t", "A <table>", "A service", (("QUERY", 'SELECT "a"\n', ""), ("cite", "x", "Please")))
    loaded = load([(column, [[1.0, 2.0]])], metadata=metadata)
    assert loaded["metadata"] == [
        {
            "name": "p",
            "datatype": "double",
            "arraysize": "2",
            "xtype": "point",
            "unit": "deg",
            "ucd": "pos.eq",
            "utype": "stc:a",
            "description": 'where "it" is',
        }
    ]
    assert (loaded["name"], loaded["description"], loaded["service"]) == ("t", "A <table>", "A service")
    assert loaded["infos"] == [
        {"name": "QUERY", "value": 'SELECT "a"\n'},
        {"name": "cite", "value": "x", "text": "Please"},
    ]
    assert "NaN" in loaded["conventions"]


def test_any_character_survives() -> None:
    texts = ["".join(map(chr, range(0x80))), "\\n \\", '"', "\u2028 \ufffe é😀", "", "plain"]
    assert [row[0] for row in load([(TEXT, [*texts, None])])["data"]] == [*texts, None]


def test_overflow_and_error_stand_at_the_end() -> None:
    sample: Sample = [(ID, [1])]
    assert load(sample).keys() == {"conventions", "metadata", "data"}
    assert load(sample, outcome=Outcome(rows=1, overflow=True))["overflow"] is True
    failed = load(sample, outcome=Outcome(rows=1, overflow=True, error='the "database"\nwent'))
    assert (failed["error"], failed["data"], "overflow" in failed) == ('the "database"\nwent', [[1]], False)


def test_a_table_without_rows() -> None:
    loaded = json.load(io.BytesIO(write("json", (ID,), [batch_of([(ID, [])])])))
    assert loaded["data"] == []


def test_an_array_of_another_shape_is_refused_and_leaves_no_trace() -> None:
    column = Column("pairs", Datatype.INT, "2x*")
    writer = find_format("json")[0].writer((column,), ResultMetadata())
    document = writer.begin() + b"".join(map(bytes, writer.batch(batch_of([(column, [[1, 2]])]))))
    with pytest.raises(TableError, match="'pairs'"):
        writer.batch(batch_of([(column, [[1, 2, 3]])]))
    document += b"".join(map(bytes, writer.end(Outcome(rows=1, error="an odd pair"))))
    assert json.loads(document)["data"] == [[[[1, 2]]]]
