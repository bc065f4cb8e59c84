"""A real browser, headless Chromium, as tests drive it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.tap.asking import eventually

PHONE, DESKTOP = (500, 1200), (1280, 1000)
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]


class Browser:
    """A page of Chromium, driven through the pipe of its DevTools protocol.

    Parameters
    ----------
    folder : pathlib.Path
        For its profile and what it downloads.
    """

    def __init__(self, folder: Path) -> None:
        self.downloads = folder / "downloads"
        self.addresses: list[str] = []
        """What it asked for so far."""
        self._profile = folder / "profile"
        self._number = 0
        self._session: str | None = None
        self._received = b""

    @contextmanager
    def running(self) -> Iterator[None]:
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        chromium = ["chromium", *QUIET, f"--user-data-dir={self._profile}", "--remote-debugging-pipe", "about:blank"]
        # Chromium reads its commands from descriptor 3 and answers on 4.
        shell = ["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash", *chromium]
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(
            shell, pass_fds=[theirs_in, theirs_out], stdout=quiet, stderr=quiet, start_new_session=True
        )
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Network"):
                self.call(f"{domain}.enable")
            self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads))
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            os.close(self._in)
            os.close(self._out)

    def call(self, method: str, **parameters: Any) -> Any:
        """Send a command and return its result, taking notice of what happens meanwhile."""
        answer = self._answer(method, parameters)
        assert "error" not in answer, answer
        return answer["result"]

    def _answer(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None and not method.startswith(("Target.", "Browser.")):
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self._number:
            if answer.get("method") == "Network.requestWillBeSent":
                self.addresses.append(answer["params"]["request"]["url"])
        return answer

    def _read(self) -> dict[str, Any]:
        end = time.monotonic() + 60
        while b"\0" not in self._received:
            assert select.select([self._in], [], [], end - time.monotonic())[0], "Chromium does not answer"
            self._received += os.read(self._in, 2**16)
        message, _, self._received = self._received.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def value(self, script: str) -> Any:
        """Return the value of an expression on the page; None while a page is being replaced."""
        answer = self._answer("Runtime.evaluate", {"expression": script, "returnByValue": True})
        # A page that goes while its script runs is an error: "Inspected target navigated or closed", "Cannot find …".
        return answer["result"]["result"].get("value") if "error" not in answer else None

    def holds(self, script: str) -> None:
        """Wait until an expression is true on the page."""
        assert eventually(lambda: self.value(script)) is True, script

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        eventually(lambda: self.value("document.readyState") == "complete")

    def reads(self, *words: str) -> None:
        """Wait until the page shows these words."""
        try:
            eventually(lambda: all(word in (self.value("document.body.innerText") or "") for word in words))
        except AssertionError:
            raise AssertionError(f"{words} not in:\n{self.value('document.body.innerText')}") from None

    def click(self, element: str, words: str = "") -> None:
        """Click the one element that a selector finds and that has these words."""
        script = f"""(() => {{
            const fitting = e => [e.innerText.trim(), ""].includes({json.dumps(words)});
            const found = [...document.querySelectorAll({json.dumps(element)})].filter(fitting);
            if (found.length === 1) found[0].click();
            return found.length;
        }})()"""
        assert eventually(lambda: self.value(script)) == 1

    def resize(self, size: tuple[int, int]) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1, mobile=False
        )
