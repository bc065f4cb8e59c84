"""The client of ESA's GOST, against a server of our own that answers like it."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pyarrow as pa
import pytest

from gaia.gost import esa
from gaia.gost.task import EsaForecastParameters, Form, TransitForecastEsa
from gaia.scanning.transits import forecast
from uws.tasks.testing import Ran, run_inline
from vo.core.errors import ConfigurationError, LimitError, ParameterError, ServiceError, UsageError

BETA_PICTORIS = (86.82119866667, -51.06651408)
EXPORT = "GOST-betapic-edr3.csv"
PAGE = b"<!DOCTYPE html>\n<html><body>Gaia Observation Forecast Tool</body></html>"
SUBMITTED = b"<html><body>Submitted with id 1722634273</body></html>"
VOTABLE = """<?xml version="1.0" encoding="UTF-8"?>
<VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
<RESOURCE type="results"><INFO name="QUERY_STATUS" value="OK"/>
<TABLE name="source_name_0" nrows="2">
<PARAM arraysize="*" datatype="char" name="QUERY_STATUS" value=""/>
<FIELD datatype="double" name="t_validity" ucd="time.validity" unit="d"/>
<FIELD datatype="double" name="t_start" ucd="time.start" unit="d"/>
<FIELD arraysize="*" datatype="char" name="t_start_gaia_timestamp" unit="d" xtype="timestamp"/>
<DATA><TABLEDATA>
<TR><TD>60857.04888575617</TD><TD>57397.34189649951</TD><TD>2016-01-10T08:08:17.286</TD></TR>
<TR><TD>60857.04888575617</TD><TD>57397.41589654237</TD><TD>2016-01-10T09:54:51.457</TD></TR>
</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>
"""
"""Two rows of what the ObjVisSAP endpoint answered for 45, +20, in September 2026."""


@dataclass
class Gost:
    """What the server answers, and what it was asked."""

    url: str = ""
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture
def gost(shared: Path) -> Iterator[Gost]:
    """A server with real rows."""
    it = Gost()
    export = (shared / "data" / "gost" / EXPORT).read_bytes()
    it.answers = {"/gost/": (200, PAGE), "/gost/GostServlet": (200, SUBMITTED), "/gost/export.jsp": (200, export)}
    it.answers["/gost/ObjVisSAP/gaiaobjvisap"] = (200, VOTABLE.encode())

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            it.asked.append(self.path)
            status, body = it.answers[parts.path]
            if parts.path.endswith("jsp"):
                known = "JSESSIONID=73EE915E" in self.headers.get("Cookie", "")
                right = parse_qs(parts.query) == {"id": ["73EE915E/1722634273"], "format": ["csv"]}
                status, body = (status, body) if known and right else (200, PAGE)
            self._answer(status, body)

        def do_POST(self) -> None:
            it.asked.append(self.path)
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            it.forms.append(dict(re.findall(r'name="(\w+)"\r\n\r\n(.*)\r\n', body)))
            known = "JSESSIONID=73EE915E" in self.headers.get("Cookie", "")
            self._answer(*(it.answers[self.path] if known else (200, PAGE)))

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            if "Cookie" not in self.headers:
                self.send_header("Set-Cookie", "JSESSIONID=73EE915E; Path=/gost; HttpOnly")
            if status == 302:
                self.send_header("Location", f"{it.url}/export.jsp")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    it.url = f"http://127.0.0.1:{server.server_port}/gost"
    yield it
    server.shutdown()
    server.server_close()
    thread.join()


def targets(*positions: tuple[float, float], **more: list[Any]) -> pa.Table:
    ra, dec = zip(*positions, strict=True)
    return pa.table({**more, "ra": pa.array(ra, pa.float64()), "dec": pa.array(dec, pa.float64())})


def ran(gost: Gost, table: pa.Table, **parameters: Any) -> Ran:
    return run_inline(
        TransitForecastEsa(), {"": table}, EsaForecastParameters(**parameters), sites={"gost": gost.url + "/"}
    )


def test_rows_are_those_of_the_export_and_of_our_kernel(gost: Gost) -> None:
    made = ran(gost, targets(BETA_PICTORIS, name=["bet Pic"]), time_max=57900)
    rows = made.table.to_pylist()
    ours = forecast(np.array([BETA_PICTORIS[0]]), np.array([BETA_PICTORIS[1]]), end=57900.0)
    assert len(rows) == len(ours) > 20
    assert {row["name"] for row in rows} == {"bet Pic"}
    first = rows[0]
    assert (first["ccd_row"], first["fov"], first["segment"]) == (1, "P", "A")
    assert first["time_bary_tcb"] == pytest.approx(2456924.6385198794 - 2400000.5, abs=1e-9)
    assert first["scan_angle"] == pytest.approx(np.degrees(-2.300433958482974), abs=1e-12)
    settled = ours.segment > 1
    for name, tolerance in {
        "time_gaia_tcb": 2e-8,
        "time_gaia_utc": 2e-8,
        "obmt": 8e-8,
        "scan_angle": 1e-3,
        "zeta": 1e-4,
        "parallax_factor_al": 1e-4,
        "parallax_factor_ac": 1e-4,
    }.items():
        column = np.array([row[name] for row in rows])
        assert np.abs(column - getattr(ours, name))[settled].max() < tolerance, name
    assert [row["fov"] for row in rows] == ["F" if each else "P" for each in ours.following]
    assert {row["in_gap"] for row in rows} == {True, False}
    assert [row["in_gap"] for row in rows] == ours.in_gap.tolist()
    assert made.context.counts.found == 1


def test_what_is_sent(gost: Gost) -> None:
    ran(gost, targets(BETA_PICTORIS, (10, 20), name=["bet Pic", "my secret"]), time_min=57000, time_max=57400)
    form = gost.forms[0]
    assert (float(form["srcra"]), float(form["srcdec"])) == pytest.approx(BETA_PICTORIS, abs=1e-8)
    assert (form["from"], form["to"]) == ("2014-12-08T23:45:36", "2016-01-13T00:14:24")
    assert "secret" not in str(gost.forms) + str(gost.asked)
    assert gost.asked.count("/gost/") == 1, "one session for all targets"
    assert len(gost.forms) == 2


def test_endpoint_for_programs(gost: Gost) -> None:
    made = ran(gost, targets((45, 20)), interface=Form.OBJVISSAP, time_max=57397.4)
    [row] = made.table.to_pylist()
    assert (row["target"], row["fov"], row["scan_angle"], row["segment"]) == (1, None, None, "B")
    ours = forecast(np.array([45.0]), np.array([20.0]), 57397.3, 57397.4)
    assert abs(row["time_bary_tcb"] - ours.time_bary_tcb[0]) * 86400 < 1e-3
    assert abs(row["time_gaia_tcb"] - ours.time_gaia_tcb[0]) * 86400 < 2e-3
    assert abs(row["time_gaia_utc"] - ours.time_gaia_utc[0]) * 86400 < 2e-3
    query = parse_qs(urlsplit(gost.asked[-1]).query)
    assert float(query["t_min"][0]) < 56864
    assert float(query["t_max"][0]) == pytest.approx(57397.41)


def test_targets_without_transits_or_positions_are_counted(gost: Gost) -> None:
    head = gost.answers["/gost/export.jsp"][1].split(b"\n")[0] + b"\n"
    gost.answers["/gost/export.jsp"] = (200, head)
    made = ran(gost, targets((10, 20), (np.nan, 0)))
    assert made.table.num_rows == 0
    assert made.context.counts.requested == 2
    assert made.context.counts.failed == {"ESA's GOST tells no transit": 1, "no position": 1}


@pytest.mark.parametrize(
    ("path", "answer", "words"),
    [
        ("/gost/export.jsp", (200, PAGE), "a page instead of a table"),
        ("/gost/export.jsp", (200, b""), "answers nothing"),
        ("/gost/export.jsp", (302, b""), "answers 302 and leads elsewhere"),
        ("/gost/export.jsp", (503, PAGE), "answers 503"),
        ("/gost/export.jsp", (200, b"Target,ra\n1,2\n"), "columns are not those that are known"),
        ("/gost/export.jsp", (200, b"Target\r,ra\n1,2\n"), "columns are not those that are known"),
        ("/gost/export.jsp", (200, b"a" * 3000), "larger than"),
        ("/gost/GostServlet", (200, b"<html>an error occurred</html>"), "did not take the request"),
        ("/gost/", (302, b""), "leads elsewhere"),
    ],
)
def test_other_answers_are_told_in_words(
    gost: Gost, path: str, answer: tuple[int, bytes], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(esa, "MAX_BYTES", 2000)
    gost.answers[path] = answer
    with pytest.raises(UsageError, match=words):
        ran(gost, targets((10, 20)))


def test_broken_values_are_told(gost: Gost) -> None:
    document = gost.answers["/gost/export.jsp"][1]
    changes = ((b"FoVP", b"FoVX"), (b"2456924.6385198794", b"x"), (b",1,0.0033", b",9,0.0033"))
    for old, new in changes:
        assert old in document
        gost.answers["/gost/export.jsp"] = (200, document.replace(old, new, 1))
        with pytest.raises(UsageError, match="cannot be read"):
            ran(gost, targets((10, 20)))


def test_broken_answers_for_programs(gost: Gost) -> None:
    def answered(document: str) -> Ran:
        gost.answers["/gost/ObjVisSAP/gaiaobjvisap"] = (200, document.encode())
        return ran(gost, targets((45, 20)), interface=Form.OBJVISSAP)

    head, row = VOTABLE.split("<TR>")[:2]
    row, end = f"<TR>{row}", VOTABLE[VOTABLE.index("</TABLEDATA>") :]
    none = answered(head + end)
    assert none.context.counts.failed == {"ESA's GOST tells no transit": 1}
    stamp = 'arraysize="*" datatype="char" name="t_start_gaia_timestamp" unit="d" xtype="timestamp"'
    for wrong, words in {
        VOTABLE.replace("2016-01-10T08:08:17.286", ""): "values are missing",
        re.sub("<TD>2016[^<]*", "<TD>1", VOTABLE).replace(
            stamp, 'datatype="double" name="t_start_gaia_timestamp"'
        ): "known",
        VOTABLE.replace('datatype="double" name="t_start"', 'datatype="double" arraysize="*" name="t_start"'): "known",
        head + row * 100_001 + end: "more",
    }.items():
        with pytest.raises(UsageError, match=words):
            answered(wrong)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nTarget,ra\n", "ends early"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nTarg", "does not speak HTTP"),
        (b"", "takes longer than"),
    ],
)
def test_a_server_that_breaks_off_or_never_ends(monkeypatch: pytest.MonkeyPatch, sent: bytes, words: str) -> None:
    monkeypatch.setattr(esa, "TOTAL_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as connected, suppress(OSError):
                connected.recv(10_000)
                connected.sendall(sent)
                while not sent:
                    connected.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(UsageError, match=words):
            esa.EsaGost(f"http://127.0.0.1:{server.getsockname()[1]}").visibility(1, 2, 3, 4, 5)
        thread.join()


def test_a_server_that_is_silent_or_gone(gost: Gost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(esa, "IDLE_SECONDS", 0.2)
    with pytest.raises(ConfigurationError):
        esa.EsaGost("http://127.0.0.1:99999/gost")
    with pytest.raises(UsageError, match="cannot be reached"):
        esa.EsaGost("http://127.0.0.1:1/gost").visibility(1, 2, 3, 4, 5)
    held = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    try:
        with pytest.raises(UsageError, match="sends nothing"):
            esa.EsaGost(f"http://127.0.0.1:{held.server_port}").visibility(1, 2, 3, 4, 5)
    finally:
        held.server_close()


def test_what_is_refused() -> None:
    task, table = TransitForecastEsa(), targets(*[(1.0, 2.0)] * 20_001)
    assert task.network
    with pytest.raises(LimitError, match="10000"):
        run_inline(task, {"": table}, EsaForecastParameters())
    with pytest.raises(ParameterError, match="TIME_MAX"):
        run_inline(task, {"": table[:1]}, EsaForecastParameters(time_min=58000, time_max=57000))
    with pytest.raises(ServiceError, match="VO_TASK_SITES"):
        run_inline(task, {"": table[:1]}, EsaForecastParameters())
