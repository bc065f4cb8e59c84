"""Error documents (DALI 1.1, section 4.2)."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from vo.core.context import request_id
from vo.core.errors import ServiceError, UnavailableError
from vo.core.tables.writers import error_document

VOTABLE = "application/x-votable+xml"
RETRY_SECONDS = "5"


def error_response(error: ServiceError, *, as_text: bool = False, as_json: bool = False) -> Response:
    """Return the answer to a request that failed.

    Parameters
    ----------
    error : ServiceError
        Its status becomes the answer's, its text the document's content.
    as_text : bool
        Plain text instead of VOTable, for clients that asked for text.
    as_json : bool
        JSON, for those that asked for that.
    """
    headers = {"Cache-Control": "no-store"}
    if isinstance(error, UnavailableError):
        headers["Retry-After"] = RETRY_SECONDS
    if as_json:
        return JSONResponse({"error": error.as_dict() | {"request_id": request_id.get()}}, error.status, headers)
    if as_text:
        return Response(error.text() + "\n", error.status, headers, media_type="text/plain; charset=utf-8")
    body = error_document(error.text(), infos=(("request_id", request_id.get(), ""),))
    return Response(body, error.status, headers, media_type=VOTABLE)
