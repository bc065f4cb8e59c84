"""Names of objects are asked for once, at a stand-in for CDS."""

from __future__ import annotations

import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import unquote

import pytest

from tap.adql import ADQLError, Catalogue, Dialect
from tap.adql.functions import SHIPPED
from tap.adql.functions.simbad import Simbad
from tests.tap.adql.tables import Run
from vo.core.errors import UnavailableError


class Sesame(BaseHTTPRequestHandler):
    """Answers as CDS does."""

    asked: list[str] = []

    def do_GET(self) -> None:
        name = unquote(self.path.partition("?")[2])
        self.asked.append(name)
        text = f"# {name}\n#=S=Simbad: 1\n%J 269.45207696 +4.69336497 = 17:57:48.49 +04:41:36.1\n"
        body = (text if name == "GJ 699" else f"# {name}\n#!S=Simbad: Nothing found\n").encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def test_names_are_resolved_once(run: Run, catalogue: Catalogue) -> None:
    server = HTTPServer(("127.0.0.1", 0), Sesame)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        dialect = Dialect(simbad=Simbad(f"http://127.0.0.1:{server.server_port}/", timeout=5))
        for _ in range(2):
            ((place,),) = run("SELECT ivo_simbadpoint('GJ   699') FROM fields WHERE field_id = 1", dialect)
            assert place == [269.45207696, 4.69336497]
        with pytest.raises(ADQLError, match="Simbad does not know 'an invalid identifier'"):
            run("SELECT gavo_simbadpoint('an invalid identifier') FROM fields", dialect)
        with pytest.raises(ADQLError, match="literal"):
            run("SELECT ivo_simbadpoint(name) FROM bright", dialect)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert Sesame.asked == ["GJ 699", "an invalid identifier"]
    with pytest.raises(UnavailableError):
        run("SELECT ivo_simbadpoint('M 31') FROM fields", dialect)
    assert replace(dialect, simbad=None).functions is SHIPPED
