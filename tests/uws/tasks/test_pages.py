"""Pages of tasks and of their jobs: the form, what was understood, and hostile words that are nothing but text."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from lxml import etree, html

from tests.tap.asking import FORM, Answer, ask
from tests.uws.samples import COMPLETED, EXECUTING, LIST_URL, PENDING, job_url
from tests.uws.tasks.declared import MOTION, Shift, ShiftParameters
from tests.uws.tasks.serving import QUERY, TASK
from tests.uws.tasks.test_http import BROWSER
from uws.models import Facts, Result
from uws.pages import JobPages
from uws.tasks import DEC, RA, TaskInput, parameter
from uws.tasks.documents import EstimateDocument, InputEstimate, task_document
from uws.tasks.pages import Filled, TaskPages
from vo.core.dali.parameters import Parameters
from vo.core.errors import ParameterError
from vo.core.pages import page_environment
from vo.core.settings import load_settings

HOSTILE = "\"'><script>alert(1)</script>{{ 7 * 7 }}&amp;\x00\x1b"
SETTINGS = load_settings(port=8080, title="Stars & more")
TABLES = (("gaia_dr3.bright", "Bright stars"), ('odd."a ""<b>"', HOSTILE))
HTML_TYPE = "text/html; charset=utf-8"


def parse(text: str) -> html.HtmlElement:
    etree.HTML(text, etree.HTMLParser(recover=False))
    document = html.fromstring(text)
    assert not document.xpath("//script")
    return document


def page(filled: Filled = Filled(), task: Shift | None = None) -> html.HtmlElement:  # noqa: B008  (frozen)
    pages = TaskPages(page_environment(SETTINGS, "uws"), lambda: TABLES)
    shown = task or Shift()
    return parse(pages.task(shown, task_document(shown, SETTINGS), filled))


def filled(**values: str) -> Filled:
    return Filled(Parameters(values.items()))


def words(document: html.HtmlElement) -> str:
    return " ".join(document.text_content().split())


def fields(document: html.HtmlElement) -> dict[str, Any]:
    """Return the elements of the form by name."""
    [form] = document.forms
    return {element.get("name"): element for element in form.xpath(".//*[@name]")}


def test_each_parameter_has_its_kind_of_field() -> None:
    found = fields(page())
    by = found["BY"]
    assert (by.get("type"), by.get("step"), by.get("max"), by.get("min")) == ("number", "any", "3600", None)
    assert (by.get("placeholder"), by.get("value"), by.get("required")) == ("1.5", "", None)
    rounds = found["ROUNDS"]
    assert (rounds.get("type"), rounds.get("step"), rounds.get("min")) == ("number", "1", "1")
    assert rounds.get("required") is not None
    assert found["MODE"].value_options == ["north", "south"]
    assert found["STRICT"].value == "false"
    assert found["BANDS"].get("type") is None
    assert found["TABLE"].value_options == ["", "gaia_dr3.bright", 'odd."a ""<b>"']
    assert (found["QUERY"].tag, found["mytable"].get("type")) == ("textarea", "file")
    assert {"RA", "DEC", "PMRA", "ID", "RESPONSEFORMAT", "MAXREC", "RUNID", "ACTION"} <= found.keys()


class Pointed(Shift):
    inputs = (TaskInput("", "target", (RA, DEC, MOTION), required=False, position=True),)


def test_a_position_has_its_fields_beside_the_table() -> None:
    document = page(filled(TARGET="x", RA="12:00:00", DEC="-5"), Pointed())
    [form] = document.forms
    assert {name: form.fields[name] for name in ("TARGET", "RA", "DEC")} == {
        "TARGET": "x",
        "RA": "12:00:00",
        "DEC": "-5",
    }
    assert "in degrees or sexagesimal" in document.get_element_by_id("about-RA").text_content()
    assert "It may be left out." in words(document)
    assert [each.get("name") for each in form.xpath(".//details//input")] == ["PMRA"]


@pytest.mark.parametrize("task", [Shift(), Pointed()])
def test_every_field_has_a_name_for_people(task: Shift) -> None:
    document = page(task=task)
    [form] = document.forms
    assert (form.method, form.get("enctype"), form.action) == ("POST", "multipart/form-data", "../tasks/shift")
    for element in form.xpath(".//input | .//select | .//textarea"):
        [_] = form.xpath(f".//label[@for='{element.get('id')}']")
        for about in (element.get("aria-describedby") or "").split():
            assert document.get_element_by_id(about).text_content().strip()
    identifiers = document.xpath("//@id")
    assert len(set(identifiers)) == len(identifiers)
    for text in ("Takes more than 0, at most 3600.", "mas.yr**-1", "pos.eq.ra;meta.main", "Several with commas"):
        assert text in words(document)


class Chosen(ShiftParameters):
    filters: tuple[Literal["g", "bp", "rp", "G"], ...] = parameter(("g", "rp"), description="Which filters.")
    kind: Literal["a", "b"] = parameter(..., description="Which kind.")


class Choosing(Shift):
    parameters = Chosen


def test_several_choices_are_boxes() -> None:
    def checked(filled: Filled) -> list[str]:
        return [str(value) for value in page(filled, Choosing()).xpath("//input[@name='FILTERS' and @checked]/@value")]

    assert checked(Filled()) == ["g", "rp"]
    assert checked(Filled(Parameters([("FILTERS", "BP"), ("filters", "rp,")]))) == ["bp", "rp"]
    assert checked(filled(FILTERS="G")) == ["G"]
    assert page(task=Choosing()).xpath("//select[@name='KIND']/option/@value") == [""]


def test_a_link_fills_the_form() -> None:
    [link] = page().xpath("//a[contains(@href, 'ROUNDS')]/@href")
    values = dict(parse_qsl(urlsplit(link).query))
    found = fields(page(filled(**values)))
    assert (found["TABLE"].value, found["ROUNDS"].value) == ("gaia_dr3.bright", "3")
    unpublished = fields(
        page(filled(table="tap_upload.mine", by="0.5", mode="SOUTH", ra="alpha", responseformat="csv"))
    )
    assert (unpublished["TABLE"].value, unpublished["BY"].value) == ("tap_upload.mine", "0.5")
    assert (unpublished["MODE"].value, unpublished["RA"].value) == ("south", "alpha")
    assert unpublished["RESPONSEFORMAT"].value == "csv"
    assert page(filled(ra="alpha")).xpath("//details/@open")
    assert not page().xpath("//details/@open")


def test_an_error_is_at_its_field() -> None:
    document = page(replace(filled(by="-1"), error=ParameterError("BY", "is <wrong>.", hint="Mend it."), files=True))
    assert document.xpath("//pre[@role='alert']/text()") == ["BY: is <wrong>.\nMend it."]
    assert document.xpath("//*[@aria-invalid]/@name") == ["BY"]
    assert "choose them again" in words(document)


def test_an_estimate_says_what_was_understood() -> None:
    estimate = EstimateDocument(
        seconds=63.4,
        rows=1_234_567,
        plan="It reads & sorts.",
        inputs=(InputEstimate(name="", source="table a.b", rows=99_000, columns={"RA": "ra", "DEC": "d<e"}),),
    )
    text = words(page(Filled(estimate=estimate)))
    for told in (
        "about 1 min 3 s",
        "at most 1,234,567 rows",
        "It reads & sorts.",
        "about 99,000 rows: RA is ra, DEC is d<e",
    ):
        assert told in text
    assert "Nobody knows how long" in words(page(Filled(estimate=estimate.model_copy(update={"seconds": None}))))


def test_nothing_that_clients_write_is_more_than_text() -> None:
    values = dict.fromkeys(["TABLE", "QUERY", "BY", "MODE", "BANDS", "ROUNDS", "RA", "MAXREC", "RUNID"], HOSTILE)
    for task in (Shift(), Choosing()):
        shown = page(replace(filled(**values), error=ParameterError("BY", HOSTILE)), task)
        visible = HOSTILE.replace("\x00", "").replace("\x1b", "")
        assert fields(shown)["QUERY"].value.lstrip("\n").startswith(visible[:40])
        for element in shown.iter():
            for name, value in element.items():
                assert not name.startswith("on"), name
                assert not (name in ("href", "action", "src") and value.lower().startswith("javascript")), value


class Hostile(Shift):
    title = HOSTILE
    description = f"{HOSTILE}\n\n{HOSTILE}"

    class Words(ShiftParameters):
        text: str = parameter(HOSTILE, description=HOSTILE, unit=HOSTILE, examples=[HOSTILE])

    parameters = Words
    examples = ({"TEXT": HOSTILE, "TABLE": "a'b $(rm)"},)


def test_what_a_declaration_says_is_text_too() -> None:
    document = page(task=Hostile())
    assert "rm" in words(document)
    assert "TABLE=a'\"'\"'b $(rm)'" in document.text_content()  # one argument of a shell's command


def test_the_page_over_http(port: int) -> None:
    answer = ask(port, TASK, headers=BROWSER)
    assert (answer.status, answer.type) == (200, HTML_TYPE)
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "form-action 'self'" in answer.headers["Content-Security-Policy"]
    assert "Accept" in answer.headers["Vary"]

    def act(action: str, **values: str) -> Answer:
        body = urlencode({"QUERY": QUERY, "ROUNDS": "3", "ACTION": action, **values}).encode()
        return ask(port, TASK, method="POST", body=body, headers=FORM)

    for action in ("run", "estimate"):
        wrong = act(action, BY="0")
        assert (wrong.status, wrong.type) == (400, HTML_TYPE)
        assert "BY: &#39;0&#39;" in wrong.text
        unknown = act(action, QUERY="SELECT raa FROM tap_schema.columns")
        assert unknown.status == 400
        assert "There is no column raa" in unknown.text
    estimated = act("estimate")
    assert estimated.status == 200
    assert "RA is <code>ra</code>" in estimated.text
    assert act("dance").status == 200
    linked = f"{TASK}?{urlencode({'ROUNDS': '7', 'RESPONSEFORMAT': 'json'})}"
    assert 'value="7"' in ask(port, linked, headers=BROWSER).text  # the format is that of the result


@pytest.fixture(scope="module")
def job_pages() -> JobPages:
    return JobPages(page_environment(SETTINGS, "uws"))


def test_a_job_tells_what_it_counted(job_pages: JobPages) -> None:
    facts = Facts("It reads <all>.", 1_000_000, 998_000, {"no position": 1500, HOSTILE: 500}, (("engine", HOSTILE),))
    document = parse(job_pages.job(replace(EXECUTING, facts=facts), job_url(EXECUTING), LIST_URL, "Shifts"))
    text = words(document)
    for told in ("It reads <all>.", "Requested1,000,000", "Found998,000", "Failed: no position1,500", "About the run"):
        assert told in text
    assert "Requested" not in words(parse(job_pages.job(EXECUTING, job_url(EXECUTING), LIST_URL, "Shifts")))


def test_a_job_tells_how_long_it_will_take(job_pages: JobPages) -> None:
    quoted = replace(PENDING, quote=EXECUTING.quote)
    assert "It is expected to run 1 min 0 s." in words(
        parse(job_pages.job(quoted, job_url(quoted), LIST_URL, "Shifts"))
    )


def test_pictures_are_shown_and_a_job_can_be_made_again(job_pages: JobPages) -> None:
    results = (
        Result("result", "text/csv", 10, "", "moved.csv"),
        Result("map.png", "image/png", 10, "", "map.png"),
        Result("map.svg", "image/svg+xml", 10, "", "map.svg"),
    )
    job = replace(COMPLETED, results=results, parameters=(("BY", "a&b"), ("UPLOAD", "x,param:x")))
    shown = job_pages.job(
        job,
        job_url(job),
        LIST_URL,
        "Shifts",
        service_url="http://here/tasks/shift",
        captions={"map.png": "where <they> are"},
    )
    document = parse(shown)
    assert document.xpath("//img/@alt") == ["Where <they> are", "Map.svg"]
    assert [words(caption) for caption in document.xpath("//figcaption")] == ["Where <they> are", "Map.svg"]
    assert document.xpath("//img/@src") == [f"{job_url(job)}/results/{name}" for name in ("map.png", "map.svg")]
    assert document.xpath("//a[@class='button']/@href") == ["http://here/tasks/shift?BY=a%26b"]
    assert len(document.xpath("//a[@download]")) == 3
