"""What tests with real clients share."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pyvo
import requests

from tests.clients.browser import DESKTOP, Browser
from tests.conftest import Service


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    folder = Path(tempfile.mkdtemp(prefix="vo-browser-"))
    browser = Browser(folder)
    try:
        with browser.running():
            yield browser
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def browser(chromium: Browser, service: Service) -> Iterator[Browser]:
    """The browser; it must never ask anybody but the service."""
    chromium.addresses.clear()
    chromium.resize(DESKTOP)
    yield chromium
    chromium.open("about:blank")
    assert not [address for address in chromium.addresses if not address.startswith((service.url, "data:", "about:"))]
    assert service.url in "".join(chromium.addresses)


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """A session that closes what pyvo leaves open."""
    answers: list[requests.Response] = []
    with requests.Session() as session:
        session.hooks["response"].append(lambda answer, **_: answers.append(answer))
        yield session
        for answer in answers:
            answer.close()


@pytest.fixture
def tap(service: Service, session: requests.Session) -> Any:
    """The service as pyvo knows it."""
    return pyvo.dal.TAPService(service.tap, session=session)
