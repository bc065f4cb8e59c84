"""What a client says about the tables that it sends: the parameter UPLOAD."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from tap.adql.syntax.words import is_regular_identifier
from vo.core.errors import ParameterError

SCHEMA = "tap_upload"
"""Of uploaded tables, as queries call them (TAP 1.1, section 2.7.6)."""
INLINE = "param:"
MAX_TABLES = 20
MAX_NAME = 128

# A URL may have commas and semicolons: a semicolon ends it where a name and a comma follow, or nothing.
_NEXT = re.compile(r";(?=\s*[A-Za-z0-9_.\"]+\s*,|\s*$)")


@dataclass(frozen=True, slots=True)
class Upload:
    """One table that comes with a query.

    Attributes
    ----------
    name : str
        In ``TAP_UPLOAD``, as the client writes it.
    uri : str
        ``param:PART`` for a part of the same request, or a URL.
    """

    name: str
    uri: str

    @property
    def full_name(self) -> str:
        """Name by which queries call the table."""
        return f"{SCHEMA}.{self.name}"

    @property
    def part(self) -> str | None:
        """Name of the request's part with the table; None if it is elsewhere."""
        return self.uri[len(INLINE) :] if self.uri[: len(INLINE)].lower() == INLINE else None


class SentFile(Protocol):
    """A file that came with a request, or that was fetched for it.

    Attributes
    ----------
    path : str
        Where this process can open it.
    file_name, media_type : str, optional
        What the sender says of it.
    """

    @property
    def path(self) -> str: ...  # noqa: D102
    @property
    def file_name(self) -> str | None: ...  # noqa: D102
    @property
    def media_type(self) -> str | None: ...  # noqa: D102


SentFiles: TypeAlias = Mapping[str, SentFile]
"""Files that came with a request, by the names of their parts."""


def read_uploads(values: Sequence[str]) -> tuple[Upload, ...]:
    """Read UPLOAD: ``NAME,URI`` once or repeated, or several of them with a semicolon between (TAP 1.0, section 2.5.2).

    Raises
    ------
    ParameterError
        Naming what is not as the standard asks.
    """
    uploads = [_read(pair) for value in values for pair in _NEXT.split(value) if pair.strip()]
    uploads = list(dict.fromkeys(uploads))  # a job's parameters may be sent twice
    if len(uploads) > MAX_TABLES:
        raise ParameterError("UPLOAD", f"names {len(uploads)} tables, the limit is {MAX_TABLES}.")
    seen: set[str] = set()
    for upload in uploads:
        if upload.name.lower() in seen:
            raise ParameterError("UPLOAD", f"two tables are called {upload.name}.", hint="Give each a name of its own.")
        seen.add(upload.name.lower())
    return tuple(uploads)


def _read(pair: str) -> Upload:
    name, comma, uri = (part.strip() for part in pair.partition(","))
    if not comma or not uri:
        raise ParameterError(
            "UPLOAD",
            f"{pair.strip()[:60]!r} is not a name and a URI with a comma between.",
            hint="Write UPLOAD=mytable,param:PART for a part of this request, or UPLOAD=mytable,URL.",
        )
    if name.lower().startswith(f"{SCHEMA}."):
        name = name[len(SCHEMA) + 1 :]
    if not is_regular_identifier(name) or len(name) > MAX_NAME:
        raise ParameterError(
            "UPLOAD",
            f"{name[:60]!r} cannot be the name of a table.",
            hint="Take a letter, then letters, digits and _, and no word of ADQL.",
        )
    upload = Upload(name, uri)
    if upload.part is None and not re.match(r"https?://", uri, re.IGNORECASE):
        raise ParameterError(
            "UPLOAD",
            f"{uri[:60]!r} is neither a part of the request nor a URL that can be fetched.",
            hint="The service takes param:PART, http: and https:.",
        )
    return upload
