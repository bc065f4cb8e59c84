from __future__ import annotations

from lxml import html

from vo.core.tables import Column, Datatype
from vo.core.tables.writers import Outcome, ResultMetadata

from .samples import ARRAYS, SCALARS, Sample, batch_of, columns_of_sample, sliced, write

TEXT = Column("text", Datatype.UNICODE_CHAR, "*")
METADATA = ResultMetadata(
    "bright <stars>", "Stars & more", "A service", (("QUERY", "SELECT '<b>'\n</style>", ""), ("cite", "x", "Please"))
)


def page(sample: Sample, *, metadata: ResultMetadata = METADATA, outcome: Outcome | None = None) -> html.HtmlElement:
    document = write("html", columns_of_sample(sample), sliced(batch_of(sample)), metadata=metadata, outcome=outcome)
    return html.document_fromstring(document.decode())


def cells(tree: html.HtmlElement) -> list[list[str]]:
    return [[cell.text_content() for cell in row] for row in tree.iterfind(".//tbody/tr")]


def test_every_cell_has_its_place() -> None:
    sample = [*SCALARS, *ARRAYS]
    rows = cells(page(sample))
    assert [len(row) for row in rows] == [len(sample)] * 4
    by_name = {column.name: [row[index] for row in rows] for index, (column, _) in enumerate(sample)}
    assert by_name["source_id"] == ["9223372036854775807", "", "-5", "0"]
    assert by_name["magnitude"] == ["0.1", "NaN", "", "3.4028235e+38"]
    assert by_name["ünïcode name"] == ["a,b", "", "", '"quoted" <&> ]]> text']
    assert by_name["doubles"][0] == "[[1,2],[null,Infinity]]"
    assert by_name["observed"][1] == "2016-01-01T00:00:00.12"


def test_headings_have_name_unit_and_description() -> None:
    column = Column('<i>"ra"', Datatype.DOUBLE, unit="deg", ucd="pos.eq.ra", description="Right <ascension> & 'more'")
    (heading,) = page([(column, [1.0])]).iterfind(".//th")
    assert heading.text_content() == column.name
    assert (heading.get("data-unit"), heading.get("title")) == ("deg", f"{column.description}\nUCD: pos.eq.ra")


def test_nothing_of_the_table_becomes_markup() -> None:
    evil = "</td></table><script>alert(1)</script>&amp;\x00\x1b"
    tree = page([(Column(evil, Datatype.CHAR, "*", unit=evil, description=f'" onclick={evil}'), [evil, None])])
    assert tree.find(".//script") is None
    assert len(tree.findall(".//table")) == 1
    assert all(set(element.attrib) <= {"scope", "data-unit", "title"} for element in tree.iterfind(".//table//*"))
    assert cells(tree) == [[evil.replace("\x00\x1b", "")], [""]]
    style = tree.findtext(".//style")
    assert style is not None
    assert "alert" not in style


def test_the_page_asks_for_nothing() -> None:
    document = write("html", (TEXT,), [], metadata=METADATA).decode()
    assert not any(word in document for word in ("<script", "src=", "href=", "url(", "@import", "http"))
    assert "prefers-color-scheme: dark" in document


def test_numbers_are_aligned_right() -> None:
    columns = (Column("n", Datatype.INT), TEXT, Column("x", Datatype.FLOAT), Column("xs", Datatype.FLOAT, "2"))
    style = html.document_fromstring(write("html", columns, []).decode()).findtext(".//style") or ""
    right = [line for line in style.splitlines() if "text-align: right" in line]
    assert [number in "".join(right) for number in ("td:nth-child(1)", "td:nth-child(2)")] == [True, False]
    assert [number in "".join(right) for number in ("td:nth-child(3)", "td:nth-child(4)")] == [True, False]


def test_the_page_tells_what_is_known_of_the_table() -> None:
    tree = page([(TEXT, ["a"])])
    assert [tree.findtext(".//title"), tree.findtext(".//h1")] == ["bright <stars>"] * 2
    assert [paragraph.text for paragraph in tree.iterfind(".//p")] == ["Stars & more", "A service", "1 row"]
    assert [item.text for item in tree.iterfind(".//dd")] == ["SELECT '<b>'\n</style>", "x Please"]


def test_overflow_and_error_stand_below_the_rows() -> None:
    sample: Sample = [(TEXT, ["a"])]
    cut = page(sample, outcome=Outcome(rows=1234, overflow=True)).find(".//table").getnext()
    assert (cut.get("class"), cut.text_content()) == ("overflow", "There are more rows than these 1,234 rows.")
    failed = (
        page(sample, outcome=Outcome(rows=1, overflow=True, error="the <database> went")).find(".//table").getnext()
    )
    assert (failed.get("class"), failed.text_content()) == (
        "error",
        "The rows end here, after 1 row: the <database> went",
    )
