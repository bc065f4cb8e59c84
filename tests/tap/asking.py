"""Asking the service over HTTP, and reading what it answers."""

from __future__ import annotations

import csv
import http.client
import io
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from lxml import etree

from tests.conftest import Service

VOTABLE = "{http://www.ivoa.net/xml/VOTable/v1.3}"
VOTABLE_TYPE = "application/x-votable+xml"
TEXT_TYPE = "text/plain; charset=utf-8"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TABLES = "SELECT table_name FROM tap_schema.tables"
COLUMNS = "SELECT table_name, column_name FROM tap_schema.columns WHERE table_name LIKE 'tap_schema.%'"
SLOW = "SELECT COUNT(*) AS n FROM demo.big AS a, demo.big AS b, demo.big AS c WHERE a.ra + b.ra < a.dec - c.dec"
"""Runs for hours; whoever sends it hangs up or aborts it."""
LEAK = re.compile(r'Traceback|File "|__v\d|/tmp/|/work/|/var/|/usr/|site-packages|\.py\b|psycopg|sqlalchemy|adbc', re.I)
"""What no client should ever read in an error."""

Pairs = Mapping[str, str] | Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def type(self) -> str:
        return self.headers["Content-Type"]

    @property
    def text(self) -> str:
        return self.body.decode()

    def csv(self) -> list[list[str]]:
        """Rows of CSV, without the line of names."""
        assert self.status == 200, self.text[:1000]
        return list(csv.reader(io.StringIO(self.text)))[1:]

    def xml(self) -> etree._Element:
        return etree.fromstring(self.body)

    def statuses(self) -> list[str]:
        """Values of QUERY_STATUS in the order of the document."""
        return [str(info.attrib["value"]) for info in self.infos("QUERY_STATUS")]

    def infos(self, name: str) -> list[etree._Element]:
        return [info for info in self.xml().iter(f"{VOTABLE}INFO") if info.attrib["name"] == name]

    def fields(self) -> list[dict[str, str]]:
        return [{str(key): str(value) for key, value in field.attrib.items()} for field in self.elements("FIELD")]

    def elements(self, name: str) -> list[etree._Element]:
        return list(self.xml().iter(VOTABLE + name))

    def rows(self) -> list[list[str | None]]:
        """Rows of a VOTable in TABLEDATA."""
        return [[cell.text for cell in row] for row in self.elements("TR")]


def ask(
    service: Service | int,
    target: str,
    *,
    method: str = "GET",
    body: bytes | Iterable[bytes] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send one request on a connection of its own; an iterable body goes out in chunks. `service` may be a port."""
    port = service if isinstance(service, int) else service.port
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=90)
    try:
        connection.request(method, target, body, dict(headers or {}))
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


def sync(service: Service | int, parameters: Pairs, *, method: str = "POST", **headers: str) -> Answer:
    """Send parameters to /sync exactly as they are, in the query string or urlencoded in the body."""
    encoded = urlencode(parameters)
    if method == "POST":
        return ask(service, "/tap/sync", method="POST", body=encoded.encode(), headers=FORM | headers)
    return ask(service, f"/tap/sync?{encoded}", method=method, headers=headers)


def adql(service: Service | int, query: str, *, method: str = "POST", **parameters: str) -> Answer:
    """Run a query."""
    return sync(service, {"LANG": "ADQL", "QUERY": query, **parameters}, method=method)


def multipart(pairs: Sequence[tuple[str, str]], boundary: str = "frontier") -> tuple[bytes, dict[str, str]]:
    """Return a multipart body and its headers."""
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in pairs
    ]
    return "".join([*parts, f"--{boundary}--\r\n"]).encode(), {
        "Content-Type": f"multipart/form-data; boundary={boundary}"
    }


def assert_error(answer: Answer, status: int, *phrases: str, media_type: str = VOTABLE_TYPE) -> str:
    """Check the one shape that errors have on the wire, and return the message.

    A VOTable (plain text where text was asked for) with the reason, the request's id in the header and the document,
    never cached, no table, and nothing of the server's inside.
    """
    assert answer.status == status, answer.text[:2000]
    assert answer.type == media_type
    assert answer.headers["Cache-Control"] == "no-store"
    identifier = answer.headers["X-Request-Id"]
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,40}", identifier)
    if media_type == VOTABLE_TYPE:
        [resource] = answer.elements("RESOURCE")
        assert resource.attrib["type"] == "results"
        assert not answer.elements("TABLE")
        assert answer.statuses() == ["ERROR"]
        assert [info.attrib["value"] for info in answer.infos("request_id")] == [identifier]
        message = answer.infos("QUERY_STATUS")[0].text or ""
    else:
        message = answer.text
        assert not message.startswith("<")
    assert message.strip()
    assert not LEAK.search(message), message
    for phrase in phrases:
        assert phrase in message, message
    return message


def eventually(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Wait until a condition holds, and return what it returned."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return found


def log_lines(home: Path, **wanted: str) -> list[dict[str, Any]]:
    """Return the lines of the service's log that have these values."""
    with (home / "log" / "vo.log").open() as file:
        lines = [json.loads(line) for line in file]
    return [line for line in lines if all(line.get(name) == value for name, value in wanted.items())]
