"""Accept headers as clients send them."""

from __future__ import annotations

import pytest

from uws.negotiation import wants_html

CHROME = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,"
    "application/signed-exchange;v=b3;q=0.7"
)
JAVA = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"

HEADERS = {
    "Chrome": (CHROME, True),
    "Firefox": ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
    "Firefox 128": (
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/png,image/svg+xml,*/*;q=0.8",
        True,
    ),
    "Safari": ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
    "Lynx": ("text/html, text/plain, text/sgml, text/css, application/xhtml+xml, */*;q=0.01", True),
    "curl -H": ("text/html", True),
    "HTML before XML": ("application/xml;q=0.5, Text/HTML ; charset=utf-8 ; Q=0.9", True),
    "HTML and nothing else": ("text/html, application/json;q=0", True),
    "Java, TOPCAT": (JAVA, False),
    "Java 17, STILTS": ("text/html, image/gif, image/jpeg, */*; q=0.2", False),
    "curl, wget, requests, pyvo, astropy": ("*/*", False),
    "urllib": (None, False),
    "empty": ("", False),
    "XML": ("application/xml", False),
    "text XML": ("text/xml", False),
    "XML before HTML": ("application/xml,application/xhtml+xml,text/html;q=0.9,text/plain;q=0.8,*/*;q=0.5", False),
    "both alike": ("text/html, text/xml", False),
    "never HTML": ("text/html;q=0, application/xhtml+xml, */*", False),
    "never HTML, XML neither": ("text/html;q=0.0, application/xml;q=0", False),
    "XHTML only": ("application/xhtml+xml", False),
    "no number": ("text/html;q=nan, application/xhtml+xml", False),
    "too much": ("text/html;q=7", False),
    "punctuation": (",;,=;q", False),
}


@pytest.mark.parametrize(("accept", "html"), HEADERS.values(), ids=HEADERS)
def test_who_gets_a_page(accept: str | None, html: bool) -> None:
    assert wants_html(accept) is html
