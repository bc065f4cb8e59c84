"""Pieces of an OpenAPI 3.1 document, as plain dictionaries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from vo import __version__
from vo.core.settings import Settings
from vo.core.tables.writers import FORMATS

Piece: TypeAlias = dict[str, Any]
Paths: TypeAlias = dict[str, Piece]

XML = "text/xml"
TEXT = "text/plain"
HTML = "text/html"
JSON = "application/json"
VOTABLE = "application/x-votable+xml"
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

STRING: Piece = {"type": "string"}
ERROR_SCHEMA: Piece = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "hint", "text", "request_id"],
            "properties": {
                "code": STRING,
                "message": {"type": "string", "description": "What is wrong and where."},
                "hint": {"type": ["string", "null"], "description": "What to do instead."},
                "text": {"type": "string", "description": "The whole error for a person."},
                "request_id": STRING,
            },
        }
    },
}


def document(settings: Settings, paths: Paths, schemas: Mapping[str, Piece], tags: Mapping[str, str]) -> Piece:
    """Return the whole document.

    Parameters
    ----------
    settings : Settings
        Title and address of the service.
    paths : mapping of str to dict
        All of its resources.
    schemas : mapping of str to dict
        What is referred to by `ref`.
    tags : mapping of str to str
        Groups of resources, and what they are.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": settings.title,
            "version": __version__,
            "description": "Names of parameters are taken in any case, values as they are. Those of a POST stand in "
            "its body, or in its address.",
        },
        "servers": [{"url": settings.public_url}],
        "tags": [{"name": name, "description": description} for name, description in tags.items()],
        "paths": paths,
        "components": {"schemas": {"Error": ERROR_SCHEMA, **schemas}},
    }


def operation(
    summary: str,
    tag: str,
    *answers: tuple[str, Piece],
    parameters: Iterable[Piece] = (),
    body: Piece | None = None,
    errors: Sequence[str] = (TEXT,),
) -> Piece:
    """Return what one method of a resource does.

    Parameters
    ----------
    summary, tag : str
        In one line, and its group.
    *answers : (status, dict)
        When it went well.
    parameters : iterable of dict
        Made by `path_parameter` and `query_parameter`.
    body : dict, optional
        Made by `form`.
    errors : sequence of str
        Media types of errors.
    """
    made: Piece = {"summary": summary, "tags": [tag]}
    if given := list(parameters):
        made["parameters"] = given
    if body is not None:
        made["requestBody"] = body
    made["responses"] = {**dict(answers), "default": answer("Why it cannot be done", *errors)}
    return made


def answer(description: str, *media_types: str, schema: Piece | None = None) -> Piece:
    """Return an answer in one of some media types; `schema` is that of JSON."""
    content: Piece = {}
    for media_type in media_types:
        if media_type == JSON:
            content[media_type] = {"schema": schema or ref("Error")}
        else:
            content[media_type] = {"schema": STRING}
    return {"description": description, "content": content} if content else {"description": description}


def seen(description: str) -> tuple[str, Piece]:
    """Return the answer that leads elsewhere."""
    location = {"description": "Its address", "schema": {"type": "string", "format": "uri"}}
    return "303", {"description": description, "headers": {"Location": location}}


def table(description: str) -> tuple[str, Piece]:
    """Return the answer that is a table in the format that was asked for."""
    kinds = dict.fromkeys(form.media_type.partition(";")[0] for form in FORMATS)
    return "200", {"description": description, "content": {kind: {"schema": STRING} for kind in kinds}}


def path_parameter(name: str, description: str, **schema: Any) -> Piece:
    """Return a part of a resource's path."""
    made = {"type": "string", **schema}
    return {"name": name, "in": "path", "required": True, "description": description, "schema": made}


def query_parameter(
    name: str, description: str, schema: Piece | None = None, *, required: bool = False, example: Any = None
) -> Piece:
    """Return a parameter of the address; several values have commas between."""
    made: Piece = {"name": name, "in": "query", "description": description, "schema": schema or STRING}
    if required:
        made["required"] = True
    if made["schema"].get("type") == "array":
        made["explode"] = False
    if example is not None:
        made["example"] = example
    return made


def form(
    properties: Mapping[str, Piece],
    *,
    required: Sequence[str] = (),
    example: Mapping[str, Any] | None = None,
    files: bool = False,
) -> Piece:
    """Return the body of a form; one that takes files may have parts of any name beside."""
    schema: Piece = {"type": "object", "properties": dict(properties)}
    if required:
        schema["required"] = list(required)
    content: Piece = {URLENCODED: {"schema": schema}}
    if files:
        part = {"type": "string", "contentMediaType": "application/octet-stream", "description": "A file"}
        content[MULTIPART] = {"schema": {**schema, "additionalProperties": part}}
    for each in content.values():
        if example is not None:
            each["example"] = dict(example)
        each["encoding"] = {
            name: {"style": "form", "explode": False}
            for name, property_ in properties.items()
            if property_.get("type") == "array"
        }
    return {"content": content}


def ref(name: str) -> Piece:
    """Refer to one of the document's schemas."""
    return {"$ref": f"#/components/schemas/{name}"}
