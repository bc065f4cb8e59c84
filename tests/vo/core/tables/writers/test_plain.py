from __future__ import annotations

import re

from vo.core.tables import Column, Datatype
from vo.core.tables.writers import Outcome, ResultMetadata
from vo.core.tables.writers.plain import WIDEST

from .samples import ARRAYS, SCALARS, Sample, batch_of, columns_of_sample, sliced, write

NUMBER = Column("n", Datatype.INT)
TEXT = Column("text", Datatype.UNICODE_CHAR, "*")
SAMPLE: Sample = [
    (Column("source_id", Datatype.LONG), [2**62, None, -5]),
    (Column("ra", Datatype.DOUBLE, unit="deg"), [0.1, float("nan"), None]),
    (TEXT, ["é😀", None, "a\tb\nc"]),
    (Column("xs", Datatype.DOUBLE, "2"), [[1.0, 2.5], None, [-1.0, 0.0]]),
]


def text(sample: Sample, *, metadata: ResultMetadata | None = None, outcome: Outcome | None = None) -> str:
    document = write("text", columns_of_sample(sample), [batch_of(sample)], metadata=metadata, outcome=outcome)
    return re.sub(" +\n", "\n", document.decode())


def test_columns_are_aligned_under_names_and_units() -> None:
    assert (
        text(SAMPLE, metadata=ResultMetadata("result", "Stars\nand more"))
        == """\
result
Stars and more

      source_id      |  ra |  text |    xs
                     | deg |       |
---------------------+-----+-------+---------
 4611686018427387904 | 0.1 | é😀    | [1,2.5]
                     | NaN |       |
                  -5 |     | a b c |  [-1,0]
(3 rows)
"""
    )


def test_later_wider_cells_push() -> None:
    batches = [
        batch_of([(TEXT, ["a", "b"]), (NUMBER, [1, 2])]),
        batch_of([(TEXT, ["wider", "c"]), (NUMBER, [3, 1234])]),
    ]
    assert (
        write("text", (TEXT, NUMBER), batches).decode()
        == """\
 text | n
------+---
 a    | 1
 b    | 2
 wider | 3
 c    | 1234
(4 rows)
"""
    )


def test_one_long_text_does_not_widen_all_rows() -> None:
    long = "x" * 10 * WIDEST
    lines = text([(TEXT, ["a", long]), (NUMBER, [1, 2])]).splitlines()
    assert [len(line) for line in lines[1:4]] == [WIDEST + 6, WIDEST + 5, 10 * WIDEST + 5]


def test_every_type_from_several_batches() -> None:
    sample = [*SCALARS, *ARRAYS]
    document = write("text", columns_of_sample(sample), sliced(batch_of(sample))).decode()
    rows = [line.split(" | ") for line in document.splitlines()[3:-1]]
    assert [len(row) for row in rows] == [len(sample)] * 4


def test_the_last_line_tells_how_the_rows_ended() -> None:
    sample: Sample = [(NUMBER, [1])]
    endings = {
        outcome: text(sample, outcome=outcome).splitlines()[-1]
        for outcome in (
            Outcome(rows=1),
            Outcome(rows=2000, overflow=True),
            Outcome(rows=1, overflow=True, error="the database\nwent away"),
        )
    }
    assert list(endings.values()) == [
        "(1 row)",
        "(OVERFLOW: 2,000 rows, and there are more)",
        "(ERROR after 1 row: the database went away)",
    ]


def test_a_table_without_rows_has_its_head() -> None:
    assert text([(TEXT, []), (NUMBER, [])]) == " text | n\n------+---\n(0 rows)\n"
