"""Names of objects resolved by Simbad, through Sesame at CDS."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from http.client import HTTPException
from urllib.parse import quote
from urllib.request import urlopen

from vo.core.errors import UnavailableError

SESAME = "https://cds.unistra.fr/cgi-bin/nph-sesame"
_PLACE = re.compile(r"^%J\s+([0-9]+(?:\.[0-9]*)?)\s+([-+]?[0-9]+(?:\.[0-9]*)?)(?:\s|$)", re.ASCII | re.MULTILINE)
_MAX_NAME = 100
_MAX_ANSWER = 65_536
_KEPT = 1024


class Simbad:
    """A resolver of names, for `Dialect.simbad`.

    Parameters
    ----------
    url : str
        Where Sesame answers.
    timeout : float
        Seconds to wait for it.
    """

    def __init__(self, url: str = SESAME, *, timeout: float = 5.0) -> None:
        self._url = url.rstrip("/")
        self._timeout = timeout
        self._known: OrderedDict[str, tuple[float, float] | None] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, name: str) -> tuple[float, float] | None:
        """Return right ascension and declination, in degrees, of an object; None if Simbad does not know it.

        Raises
        ------
        UnavailableError
            If Sesame does not answer.
        """
        key = " ".join(name.split())
        if not key or len(key) > _MAX_NAME or not key.isprintable():
            return None
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        place = self._ask(key)
        with self._lock:
            self._known[key] = place
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return place

    def _ask(self, name: str) -> tuple[float, float] | None:
        """Ask Sesame; its plain form has the position in a line that begins with %J."""
        try:
            with urlopen(f"{self._url}/-oI/S?{quote(name)}", timeout=self._timeout) as answer:  # noqa: S310  (an operator's URL)
                text = answer.read(_MAX_ANSWER).decode("utf-8", "replace")
        except (OSError, HTTPException) as error:
            raise UnavailableError("Simbad's resolver of names does not answer.", hint="Write the position.") from error
        found = _PLACE.search(text)
        if found is None:
            return None
        lon, lat = float(found[1]), float(found[2])
        return (lon, lat) if lon <= 360 and abs(lat) <= 90 else None
