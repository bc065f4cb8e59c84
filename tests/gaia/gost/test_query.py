"""/gost/query over HTTP: times as ESA's own service tells them, parameters, formats, errors, descriptions."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
import pyvo
from starlette.applications import Starlette
from starlette.middleware import Middleware
from vo_models.vosi.availability import Availability
from vo_models.vosi.capabilities import VOSICapabilities

from gaia.gost.documents import EXAMPLES, TAKEN
from gaia.gost.openapi import gost_paths
from tests.tap.asking import FORM, Answer, ask, assert_error, multipart
from tests.vo.app.running import running
from vo.app.errors import HANDLERS
from vo.app.gost import gost
from vo.app.middleware import Bugs, RequestMiddleware
from vo.core.settings import Settings
from vo.core.tables.writers import FORMATS

OF_ESA = (
    (56903.930801604874, 56903.93125121109),
    (57230.81200057268, 57230.81205677427),
    (57420.160120960325, 57420.16051429231),
    (57772.13827690249, 57772.1386702368),
    (57799.75504410826, 57799.75543744024),
    (58179.79332025815, 58179.79354502261),
    (58336.087240373716, 58336.08763378486),
    (58385.499893380795, 58385.500286781695),
    (58522.790051845834, 58522.79044517735),
    (58563.33510757005, 58563.33550091414),
    (58563.76139752101, 58563.76179086091),
    (58565.762544162106, 58565.762937502936),
    (58566.08669148572, 58566.087084828876),
    (58708.51824547723, 58708.5186950895),
    (58858.92726166453, 58858.92771119857),
    (58859.1034044656, 58859.10379779991),
    (58892.917015883606, 58892.917240644805),
    (58892.99101540772, 58892.99146492919),
    (59051.40130559122, 59051.40175520303),
    (59104.81619922351, 59104.81664882926),
    (59116.57243495295, 59116.57282835245),
    (59116.748606192414, 59116.749055798166),
    (59208.564965584315, 59208.56541511882),
    (59217.819007820915, 59217.81945735356),
    (59393.07325840555, 59393.07370800385),
    (59407.90398246003, 59407.90443207184),
    (59580.931238735095, 59580.93168826075),
    (59629.660501929, 59629.66095145047),
    (59788.9460180928, 59788.94646770228),
    (59954.976341146976, 59954.9767906745),
    (60142.167641344015, 60142.16809095116),
    (60169.48726105271, 60169.48765446339),
    (60194.910876756534, 60194.911326361354),
    (60379.93030489376, 60379.930754425935),
    (60569.70826266799, 60569.70871227095),
)
"""t_start and t_stop that ESA's ObjVisSAP service (22.4.3) told for 45, +20 on 2026-09-10: a choice of its 142 rows.

All those shorter than eight CCDs are here, that of segment A, and a third of those of segments D and E.
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("home"), hard_maxrec=500)


@pytest.fixture(scope="module")
def port(settings: Settings) -> Iterator[int]:
    """The endpoints, without database."""
    app = Starlette(
        routes=gost(settings).routes,
        middleware=[Middleware(RequestMiddleware), Middleware(Bugs)],
        exception_handlers=HANDLERS,
    )
    with running(app) as number:
        yield number


def query(port: int, **parameters: Any) -> Answer:
    return ask(port, f"/gost/query?{urlencode(parameters)}")


def rows(port: int, **parameters: Any) -> list[dict[str, str]]:
    answer = query(port, **parameters, RESPONSEFORMAT="csv")
    names = answer.text.split("\n", 1)[0].strip().split(",")
    return [dict(zip(names, row, strict=True)) for row in answer.csv()]


def test_times_are_those_of_esa(port: int) -> None:
    found = pyvo.dal.DALQuery(f"http://127.0.0.1:{port}/gost/query", POS="45,20").execute().to_table()
    assert len(found) == 137, "all that ESA tells until the end of segment E, and no other"
    start, stop = np.array(found["t_start"]), np.array(found["t_stop"])
    for t_start, t_stop in OF_ESA:
        place = int(np.argmin(np.abs(start - t_start)))
        tolerance = {"A": 0.1, "E": 0.01}.get(found["segment"][place], 0.0015)
        assert abs(start[place] - t_start) * 86400 < tolerance
        assert abs(stop[place] - start[place] - (t_stop - t_start)) * 86400 < 0.0015
    assert found["t_start"].unit == "d"
    assert found["t_visibility"].unit == "s"
    assert np.array(found["t_visibility"]).max() == pytest.approx(38.843, abs=5e-4)
    assert (np.array(found["t_visibility"]) == np.array(found["t_observability"])).all()


def test_both_ways_to_say_it(port: int) -> None:
    wanted = rows(port, POS="45,20", TIME="57388/57754")
    assert len(wanted) == 10
    assert all(57388 <= float(row["t_start"]) < 57754 for row in wanted)
    for other in (
        {"pos": "-315, +20", "time": "57388 57754"},
        {"s_ra": "45", "s_dec": "20.0", "t_min": "57388", "t_max": "57754"},
        {"POS": "45,2e1", "TIME": "57388/57754", "FACILITY": "gaia", "VIS_MIN": "0", "SOMETHING": "else"},
    ):
        assert rows(port, **other) == wanted
    pairs = {"POS": "45,20", "TIME": "57388/57754", "RESPONSEFORMAT": "csv"}
    posted = ask(port, "/gost/query", method="POST", body=urlencode(pairs).encode(), headers=FORM)
    body, headers = multipart(list(pairs.items()))
    assert ask(port, "/gost/query", method="POST", body=body, headers=headers).csv() == posted.csv()
    assert len(posted.csv()) == len(wanted)


def test_ranges_of_time(port: int) -> None:
    whole = rows(port, POS="45,20")
    assert rows(port, POS="45,20", TIME="-Inf/+Inf") == whole
    assert rows(port, s_ra=45, s_dec=20, t_min=0) == whole
    assert rows(port, POS="45,20", TIME="60000/") == [row for row in whole if float(row["t_start"]) >= 60000]
    for empty in ("/70000", "70000/80000", "40000/50000", "57388/57388"):
        assert rows(port, POS="45,20", TIME=empty) == []
    early = query(port, POS="45,20", TIME="50000/57388")
    assert "begins outside" in (early.infos("warning")[0].text or "")
    assert [info.attrib["value"] for info in early.infos("T_MAX_HARD_LIMIT")] == ["60690.2503"]
    assert not query(port, POS="45,20").infos("warning")


def test_rows_can_be_chosen(port: int) -> None:
    long = rows(port, POS="45,20", VIS_MIN=35)
    assert {row["t_visibility"] for row in long} == {"38.84256"}
    assert rows(port, POS="45,20", MIN_OBS=35) == long
    assert rows(port, POS="45,20", FACILITY="HST") == []
    assert {row["facility"] for row in long} == {"Gaia"}


def test_most_rows(port: int) -> None:
    for maxrec, count, statuses in ((0, 0, ["OK", "OVERFLOW"]), (5, 5, ["OK", "OVERFLOW"]), (137, 137, ["OK"])):
        answer = query(port, POS="45,20", MAXREC=maxrec, RESPONSEFORMAT="votable/td")
        assert (len(answer.rows()), answer.statuses()) == (count, statuses)
    assert len(rows(port, POS="45,20", MAXREC=10**9)) == 137


@pytest.mark.parametrize("form", [each.name for each in FORMATS])
def test_formats(port: int, form: str) -> None:
    answer = query(port, POS="45,20", RESPONSEFORMAT=form)
    assert answer.status == 200
    assert answer.type == next(each for each in FORMATS if each.name == form).content_type
    assert len(answer.body) > 5000


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({}, "POS: is missing"),
        ({"s_ra": "1"}, "s_dec: is missing"),
        ({"POS": "1,2", "s_ra": "1"}, "POS: is given beside"),
        ({"POS": "1"}, "POS: '1' is not two numbers"),
        ({"POS": "1,2,3"}, "is not two numbers"),
        ({"POS": "1,91"}, "is not on the sky"),
        ({"POS": "nan,1"}, "'nan' is not a number"),
        ({"POS": "1_0,1"}, "is not a number"),
        ({"POS": "inf,1"}, "is not on the sky"),
        ({"POS": "1,2", "TIME": "57000"}, "TIME: '57000' is not a range"),
        ({"POS": "1,2", "TIME": "58000/57000"}, "ends before it begins"),
        ({"POS": "1,2", "TIME": "1/2", "t_min": "1"}, "TIME: is given beside"),
        ({"POS": "1,2", "t_max": "soon"}, "t_max: 'soon' is not a number"),
        ({"POS": "1,2", "MAXREC": "-1"}, "MAXREC"),
        ({"POS": "1,2", "VIS_MIN": "x"}, "VIS_MIN: 'x' is not a number"),
        ({"POS": "1,2", "RESPONSEFORMAT": "gif"}, "there is no format 'gif'"),
    ],
)
def test_errors(port: int, parameters: dict[str, str], words: str) -> None:
    assert_error(query(port, **parameters), 400, words)


def test_errors_in_the_form_that_was_asked_for(port: int) -> None:
    assert_error(query(port, POS="x", RESPONSEFORMAT="csv"), 400, "POS", media_type="text/plain; charset=utf-8")
    assert query(port, POS="x", RESPONSEFORMAT="json").type == "application/json"


def test_the_answer_tells_how_to_ask_again(
    port: int, settings: Settings, shared: Path, validate: Callable[[bytes], list[str]]
) -> None:
    answer = query(port, POS="45,20")
    assert validate(answer.body) == []
    results, service = answer.elements("RESOURCE")
    assert (results.attrib["type"], service.attrib["ID"], service.attrib["type"]) == ("results", "this", "meta")
    params = {param.attrib["name"]: param.attrib["value"] for param in answer.elements("PARAM")}
    assert params["accessURL"] == f"{settings.public_url}/gost/query"
    assert {taken.column.name for taken in TAKEN} <= set(params)
    for name in ("standardID", "scanning_law", "accuracy", "licence", "acknowledgement", "T_MIN_HARD_LIMIT"):
        assert answer.infos(name)[0].attrib["value"]


def test_descriptions(port: int, settings: Settings, shared: Path, validate: Callable[[bytes], list[str]]) -> None:
    document = ask(port, "/gost/capabilities")
    assert validate(document.body) == []
    found: Any = VOSICapabilities.from_xml(document.body)
    places = {str(item.standard_id): str(item.interface[0].access_url[0].value) for item in found.capability}
    assert places["ivo://ivoa.net/std/ObjObsSAP#query-0.3"] == f"{settings.public_url}/gost/query"
    assert places["ivo://ivoa.net/std/ObjVisSAP#query-0.3"] == f"{settings.public_url}/gost/query"
    for place in places.values():
        assert ask(port, place.removeprefix(settings.public_url) + "?POS=1,2").status == 200
    assert Availability.from_xml(ask(port, "/gost/availability").body).available


def test_examples_work(port: int) -> None:
    page = ask(port, "/gost/examples")
    assert page.type.startswith("application/xhtml+xml")
    assert len(page.xml().findall(".//*[@typeof='example']")) == len(EXAMPLES)
    for example in EXAMPLES:
        assert ask(port, f"/gost/query?{example.query}").status == 200
    paths = {route.path for route in gost(Settings()).routes}
    assert set(gost_paths(Settings())) == paths
    assert ask(port, "/gost").headers["Location"] == "gost/examples"


def test_the_kernel_is_not_loaded_before_somebody_asks() -> None:
    program = "import sys, vo.app.gost; sys.exit(any(name in sys.modules for name in "
    program += "('gaia.scanning.transits', 'gaia.gost.visibility', 'scipy', 'matplotlib', 'astropy')))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
