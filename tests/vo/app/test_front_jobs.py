"""The front page's way to a job, as a browser without JavaScript goes it."""

from __future__ import annotations

from urllib.parse import urlencode, urljoin, urlsplit

import pytest
from lxml import html

from tests.conftest import Service
from tests.tap.asking import FORM, ask, eventually

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize("target", ["/", "/tap"])
def test_the_second_button_makes_a_job(service: Service, target: str) -> None:
    document: html.HtmlElement = html.fromstring(ask(service, target).text)
    [form] = document.forms
    [button] = [button for button in document.iter("button") if button.get("formaction")]
    address = urlsplit(urljoin(service.url + target, str(button.get("formaction"))))
    body = urlencode([*form.form_values(), (str(button.get("name")), str(button.get("value")))])
    answer = ask(service, address.path, method="POST", body=body.encode(), headers={**FORM, **BROWSER})
    assert answer.status == 303
    job = urlsplit(answer.headers["Location"]).path
    eventually(lambda: ask(service, f"{job}/phase").text == "COMPLETED")
    assert "/results/result" in ask(service, job, headers=BROWSER).text
    [jobs] = {str(link.get("href")) for link in document.iter("a") if link.text_content().split() == ["Your", "jobs"]}
    listed = ask(service, urlsplit(urljoin(service.url + target, jobs)).path, headers=BROWSER)
    assert job.rpartition("/")[2] in listed.text
    ask(service, job, method="DELETE")
