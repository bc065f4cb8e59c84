"""What a client asks for."""

from __future__ import annotations

from dataclasses import dataclass

from vo.core.dali.parameters import Parameters
from vo.core.errors import ParameterError
from vo.core.settings import Settings
from vo.core.tables.writers import Format, find_format

LANGUAGES = ("ADQL", "ADQL-2.0", "ADQL-2.1")
"""Values of LANG; the grammar of 2.1 takes every query of 2.0."""
MAX_RUNID = 64


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
    """

    query: str
    maxrec: int
    format: Format
    content_type: str
    run_id: str | None = None

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
        if parameters.all("UPLOAD"):
            raise ParameterError("UPLOAD", "this service takes no uploaded tables.")
        run_id = parameters.one("RUNID")
        if run_id is not None and len(run_id) > MAX_RUNID:
            raise ParameterError("RUNID", f"has {len(run_id)} characters, the limit is {MAX_RUNID}.")
        maxrec = parameters.integer("MAXREC", least=0)
        table_format, content_type = find_format(requested_format(parameters))
        return cls(
            query=query,
            maxrec=min(settings.default_maxrec if maxrec is None else maxrec, settings.hard_maxrec),
            format=table_format,
            content_type=content_type,
            run_id=run_id,
        )


def requested_format(parameters: Parameters) -> str | None:
    """Return what RESPONSEFORMAT, or its older name FORMAT, says.

    Raises
    ------
    ParameterError
        If both are given and differ.
    """
    new, old = parameters.one("RESPONSEFORMAT"), parameters.one("FORMAT")
    if new is not None and old is not None and new != old:
        raise ParameterError(
            "RESPONSEFORMAT", "differs from FORMAT, which is another name for it.", hint="Send one of them."
        )
    return new or old


def wants_text(parameters: Parameters) -> bool:
    """Return whether the client asked for a text format, so that errors are plain text for it too."""
    values = parameters.all("RESPONSEFORMAT") or parameters.all("FORMAT")
    return bool(values) and values[0].strip().lower().startswith(("csv", "tsv", "text/csv", "text/tab", "text/plain"))
