"""The resources of the TAP service and the query page, for the OpenAPI document."""

from __future__ import annotations

from uws.openapi import RUN, job_list_paths, job_paths
from vo.core.openapi import (
    HTML,
    JSON,
    TEXT,
    VOTABLE,
    XML,
    Paths,
    Piece,
    answer,
    form,
    operation,
    path_parameter,
    query_parameter,
    seen,
    table,
)
from vo.core.settings import Settings
from vo.core.tables.writers import FORMATS

TAG = "tap"
_EXAMPLE = {"LANG": "ADQL", "QUERY": "SELECT table_name, description FROM tap_schema.tables", "RESPONSEFORMAT": "csv"}


def tap_paths(settings: Settings) -> Paths:
    """Return the resources."""
    rows: Piece = {"type": "integer", "minimum": 0, "default": settings.default_maxrec}
    asked: dict[str, tuple[str, Piece]] = {
        "LANG": ("Language of the query.", {"type": "string", "enum": ["ADQL", "ADQL-2.0", "ADQL-2.1"]}),
        "QUERY": ("A query in ADQL.", {"type": "string"}),
        "RESPONSEFORMAT": (
            "Format of the result, by a short name or a media type.",
            {"type": "string", "default": FORMATS[0].name, "examples": [each.name for each in FORMATS]},
        ),
        "MAXREC": ("Most rows of the result.", rows),
        "UPLOAD": ("A table of your own: name,URI; param: and its part for one of this request.", {"type": "string"}),
        "RUNID": ("A name of your own for the run.", {"type": "string", "maxLength": 64}),
        "EXPLAIN": ("Explain the query instead of running it.", {"type": "boolean", "default": False}),
    }
    required = ("LANG", "QUERY")
    properties = {name: {**schema, "description": text} for name, (text, schema) in asked.items()}
    parameters = [
        query_parameter(name, text, schema, required=name in required, example=_EXAMPLE.get(name))
        for name, (text, schema) in asked.items()
    ]

    def body(**more: Piece) -> Piece:
        return form({**properties, **more}, required=required, example=_EXAMPLE, files=True)

    def document(summary: str, *media_types: str, parameters: tuple[Piece, ...] = ()) -> Piece:
        return {"get": operation(summary, TAG, ("200", answer("It", *media_types)), parameters=parameters)}

    result = table("The result, in the format that is asked for")
    errors = (VOTABLE, TEXT, JSON)
    listed = job_list_paths("/tap/async", TAG)["/tap/async"]
    created = operation("Create a job", TAG, seen("Leads to the job"), body=body(PHASE=RUN))
    name = path_parameter("name", "Full name of a table", example="tap_schema.tables")
    detail = query_parameter("DETAIL", "Whether columns are listed.", {"type": "string", "enum": ["min", "max"]})
    page = ("200", answer("The page with what came of it", HTML))
    file = table("The page with what came of it; without ACTION, the result as a file")
    action: Piece = {"type": "string", "enum": ["run", "explain", "job"], "description": "What to do with the query."}
    return {
        "/tap": document("The page of the service, for people", HTML),
        "/tap/sync": {
            "get": operation("Run a query", TAG, result, parameters=parameters, errors=errors),
            "post": operation("Run a query", TAG, result, body=body(), errors=errors),
        },
        "/tap/async": {**listed, "post": created},
        **job_paths("/tap/async", TAG),
        "/tap/capabilities": document("Tell what the service offers (VOSI)", XML),
        "/tap/availability": document("Tell whether it can be used now (VOSI)", XML),
        "/tap/tables": document("List tables and columns (VOSI)", XML, parameters=(detail,)),
        "/tap/tables/{name}": document("Describe a table (VOSI)", XML, parameters=(name,)),
        "/tap/examples": document("Give example queries (DALI)", "application/xhtml+xml"),
        "/query": {
            "get": operation(
                "The page where people write queries", TAG, page, parameters=[query_parameter("QUERY", "Stands there.")]
            ),
            "post": operation("Its form", TAG, file, body=body(ACTION=action), errors=(HTML,)),
        },
        "/tables/{name}": document("The page of a table, for people", HTML, parameters=(name,)),
    }
