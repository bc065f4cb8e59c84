"""The resources of /gost, for the OpenAPI document."""

from __future__ import annotations

from gaia.gost.documents import EXAMPLES, TAKEN
from vo.core.openapi import (
    JSON,
    TEXT,
    VOTABLE,
    XML,
    Paths,
    Piece,
    answer,
    form,
    operation,
    query_parameter,
    seen,
    table,
)
from vo.core.settings import Settings
from vo.core.tables import Datatype
from vo.core.tables.writers import FORMATS

TAG = "gost"
_TYPES = {Datatype.CHAR: "string", Datatype.INT: "integer", Datatype.DOUBLE: "number"}


def gost_paths(settings: Settings) -> Paths:
    """Return the resources."""
    example = dict(EXAMPLES[0].parameters)
    schemas: dict[str, Piece] = {taken.column.name: {"type": _TYPES[taken.column.datatype]} for taken in TAKEN}
    schemas["MAXREC"] |= {"minimum": 0, "default": settings.default_maxrec}
    schemas["RESPONSEFORMAT"] |= {"default": FORMATS[0].name, "examples": [each.name for each in FORMATS]}
    texts = {taken.column.name: taken.column.description or "" for taken in TAKEN}
    summary = "Tell when Gaia observes a position (ObjObsSAP, ObjVisSAP)"
    result = table("The times, in the format that is asked for")
    errors = (VOTABLE, TEXT, JSON)
    parameters = [
        query_parameter(name, texts[name], schema, example=example.get(name)) for name, schema in schemas.items()
    ]
    body = form({name: {**schema, "description": texts[name]} for name, schema in schemas.items()}, example=example)

    def document(summary: str, media_type: str) -> Piece:
        return {"get": operation(summary, TAG, ("200", answer("It", media_type)))}

    return {
        "/gost": {"get": operation("Lead to the examples", TAG, seen("Examples, for people and programs"))},
        "/gost/query": {
            "get": operation(summary, TAG, result, parameters=parameters, errors=errors),
            "post": operation(summary, TAG, result, body=body, errors=errors),
        },
        "/gost/capabilities": document("Tell what the service offers (VOSI)", XML),
        "/gost/availability": document("Tell whether it can be used now (VOSI)", XML),
        "/gost/examples": document("Give example requests (DALI)", "application/xhtml+xml"),
    }
