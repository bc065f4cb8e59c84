"""The pages for people, as HTML: what they say and that every link of theirs leads somewhere."""

from __future__ import annotations

from urllib.parse import urlencode, urljoin, urlsplit

import pytest
from lxml import etree, html

from tests.conftest import Service
from tests.tap.asking import ask
from vo.app.pages import shell_argument


def page(service: Service, target: str) -> html.HtmlElement:
    answer = ask(service, target)
    assert answer.status == 200
    assert answer.type == "text/html; charset=utf-8"
    etree.HTML(answer.body, etree.HTMLParser(recover=False))
    return html.fromstring(answer.text)


@pytest.mark.parametrize("target", ["/", "/tap", "/tap/", "/tables/hipparcos.hip2", "/tables/demo.big"])
def test_links_lead_somewhere(service: Service, target: str) -> None:
    document = page(service, target)
    links = {str(link) for link in document.xpath("//a/@href | //link[@rel='stylesheet']/@href")}
    own = {urljoin(service.url + target, link) for link in links}
    own = {link for link in own if link.startswith(service.url + "/")}
    assert f"{service.tap}/tables" in own
    for link in own:
        parts = urlsplit(link)
        assert ask(service, f"{parts.path}?{parts.query}").status == 200, link
        if parts.fragment:
            assert document.xpath("//*[@id=$name]", name=parts.fragment), link


def test_the_front_page_tells_what_there_is_and_how_to_connect(service: Service) -> None:
    document = page(service, "/")
    text = " ".join(document.text_content().split())
    for words in (f"{service.tap}", "gaia_dr3.bright", "482,106", "hipparcos.hip2", "117,955", "demo.big", "synthetic"):
        assert words in text
    for client in ("TAP URL", "stilts tapquery", "pyvo.dal.TAPService", "curl"):
        assert client in text
    assert not document.xpath("//script")


def test_the_form_of_the_front_page_runs(service: Service) -> None:
    document = page(service, "/")
    [form] = document.forms
    assert urljoin(service.url, str(form.action)) == f"{service.tap}/sync"
    body = urlencode(form.form_values())
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = ask(service, "/tap/sync", method=form.method, body=body.encode(), headers=headers)
    assert answer.type.startswith("text/csv")
    assert len(answer.csv()) == 20


def test_a_table_page_tells_columns_rights_and_sources(service: Service) -> None:
    text = " ".join(page(service, "/tables/gaia_dr3.bright").text_content().split())
    for words in (
        "J2016.0",
        "phot_bp_mean_mag",
        "CC BY-NC 3.0 IGO",
        "Vallenari",
        "European Space Agency",
        "482,106 rows",
    ):
        assert words in text
    assert "Nothing here was observed" in page(service, "/tables/demo.big").text_content()


def test_queries_as_shell_arguments() -> None:
    assert shell_argument("SELECT 'a' FROM t") == "\"SELECT 'a' FROM t\""
    assert shell_argument('SELECT "size" FROM t') == "'SELECT \"size\" FROM t'"
    assert shell_argument("SELECT '$x' FROM t").startswith("'SELECT ")
