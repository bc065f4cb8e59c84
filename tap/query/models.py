"""What a client asks for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tap.upload.models import Upload, read_uploads
from vo.core.dali.parameters import Parameters, error_form, requested_format
from vo.core.dali.parameters import wants_text as wants_text_format
from vo.core.errors import ParameterError
from vo.core.settings import Settings
from vo.core.tables.writers import Format, find_format

LANGUAGES = ("ADQL", "ADQL-2.0", "ADQL-2.1")
"""Values of LANG; the grammar of 2.1 takes every query of 2.0."""
MAX_RUNID = 64
BOOLEANS = {"1": True, "true": True, "t": True, "0": False, "false": False, "f": False}
"""How DALI 1.1, section 3.3.2, writes them, in any case."""


class ExplainAs(StrEnum):
    """How a query's explanation is written."""

    TEXT = "text"
    JSON = "json"
    TABLE = "table"


_EXPLAIN_AS = {
    "": (ExplainAs.TEXT, "text/plain; charset=utf-8"),
    "text": (ExplainAs.TEXT, "text/plain; charset=utf-8"),
    "text/plain": (ExplainAs.TEXT, "text/plain; charset=utf-8"),
    "json": (ExplainAs.JSON, "application/json"),
    "application/json": (ExplainAs.JSON, "application/json"),
}
_EXTENSIONS = {ExplainAs.TEXT: ".txt", ExplainAs.JSON: ".json"}


@dataclass(frozen=True, slots=True)
class QueryRequest:
    """A query and how its result is wanted (TAP 1.1, section 2.7).

    Attributes
    ----------
    query : str
        ADQL.
    maxrec : int
        Most rows to return.
    format : Format
        Format of the result.
    content_type : str
        Content-Type to answer with.
    run_id : str, optional
        The client's own id of its run, for the logs.
    explain : ExplainAs, optional
        How to explain the query instead of running it; as a table, it is in `format`.
    uploads : tuple of Upload
        Tables that come with it.
    """

    query: str
    maxrec: int
    format: Format
    content_type: str
    run_id: str | None = None
    explain: ExplainAs | None = None
    uploads: tuple[Upload, ...] = ()

    @property
    def extension(self) -> str:
        """Of a file with the answer, with the dot."""
        return self.format.extension if self.explain is None else _EXTENSIONS.get(self.explain, self.format.extension)

    @classmethod
    def from_parameters(cls, parameters: Parameters, settings: Settings) -> QueryRequest:
        """Read the parameters of a synchronous query; what TAP does not define is ignored.

        Raises
        ------
        ParameterError
            Naming the parameter that is missing, malformed or not supported.
        """
        language = parameters.one("LANG")
        if language is None:
            raise ParameterError("LANG", "is missing.", hint=f"Send one of {', '.join(LANGUAGES)}.")
        if language.upper() not in LANGUAGES:
            raise ParameterError(
                "LANG", f"{language[:40]!r} is not supported.", hint=f"Send one of {', '.join(LANGUAGES)}."
            )
        query = parameters.one("QUERY")
        if query is None or not query.strip():
            raise ParameterError("QUERY", "is missing or empty.", hint="Send a query in ADQL.")
        run_id = parameters.one("RUNID")
        if run_id is not None and len(run_id) > MAX_RUNID:
            raise ParameterError("RUNID", f"has {len(run_id)} characters, the limit is {MAX_RUNID}.")
        maxrec = parameters.integer("MAXREC", least=0)
        wanted = requested_format(parameters)
        explain = None
        if wants_explanation(parameters):
            explain, content_type = _EXPLAIN_AS.get((wanted or "").strip().lower(), (ExplainAs.TABLE, ""))
        if explain is None or explain is ExplainAs.TABLE:
            table_format, content_type = find_format(wanted)
        else:
            table_format, _ = find_format(None)
        return cls(
            query=query,
            maxrec=min(settings.default_maxrec if maxrec is None else maxrec, settings.hard_maxrec),
            format=table_format,
            content_type=content_type,
            run_id=run_id,
            explain=explain,
            uploads=read_uploads(parameters.all("UPLOAD")),
        )


def wants_explanation(parameters: Parameters) -> bool:
    """Return whether the client asks what the query would do.

    Raises
    ------
    ParameterError
        If EXPLAIN is neither true nor false.
    """
    value = (parameters.one("EXPLAIN") or "0").strip().lower()
    if value not in BOOLEANS:
        raise ParameterError(
            "EXPLAIN", f"{value[:40]!r} is neither true nor false.", hint="EXPLAIN=1 explains the query, 0 runs it."
        )
    return BOOLEANS[value]


def wants_text(parameters: Parameters) -> bool:
    """Return whether the client asked for text, so that errors are plain text for it too."""
    form = error_form(parameters)
    if _explained(parameters) and form in _EXPLAIN_AS:
        return _EXPLAIN_AS[form][0] is ExplainAs.TEXT
    return wants_text_format(parameters)


def _explained(parameters: Parameters) -> bool:
    return any(BOOLEANS.get(value.strip().lower(), True) for value in parameters.all("EXPLAIN") if value)
