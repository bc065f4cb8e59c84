"""Documents that change seldom and are asked for often: prepared once, sent only to who has not got them yet."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

XML = "text/xml"


@dataclass(frozen=True, slots=True)
class Document:
    """A finished document with its compressed form and its tag."""

    body: bytes
    compressed: bytes
    etag: str
    media_type: str

    @classmethod
    def of(cls, body: bytes, media_type: str = XML) -> Document:
        """Prepare a document for being sent often."""
        tag = hashlib.sha256(body).hexdigest()[:24]
        # Weak, because it stands for the compressed form as well.
        return cls(body, gzip.compress(body, 6), f'W/"{tag}"', media_type)

    def response(self, request: Request) -> Response:
        """Answer with the document, or with 304 where the client holds it already."""
        headers = {"ETag": self.etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if self.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(self.compressed, headers=headers, media_type=self.media_type)
        return Response(self.body, headers=headers, media_type=self.media_type)
