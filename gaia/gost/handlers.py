"""HTTP for /gost: when Gaia observes a position (ObjObsSAP, ObjVisSAP)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gaia.gost.columns import SYSTEMS, VISIBILITY
from gaia.gost.documents import EXAMPLES, OBSERVABILITY, descriptor, gost_capabilities
from gaia.gost.request import ForecastRequest
from gaia.releases import DR3
from vo.core.callers import Caller
from vo.core.context import request_id
from vo.core.dali.parameters import Parameters, wants_json, wants_text
from vo.core.dali.request import read_parameters
from vo.core.documents import XML, Document
from vo.core.errors import UnavailableError
from vo.core.fairness import FairSlots
from vo.core.settings import Settings
from vo.core.stored import result_headers
from vo.core.tables.writers import Outcome, ResultMetadata
from vo.core.vosi import Check, availability_document, run_checks

FORECASTS = 2
"""That one process makes at the same time; callers take turns."""


class GostHandlers:
    """The endpoints of one process.

    Parameters
    ----------
    settings : Settings
        Limits and addresses.
    environment : jinja2.Environment
        From `vo.core.pages.page_environment` for the package ``gaia.gost``.
    """

    def __init__(self, settings: Settings, environment: Environment) -> None:
        self._settings = settings
        self._up_since = datetime.now(UTC)
        self._slots = FairSlots(FORECASTS)
        self._descriptor = descriptor(settings)
        self._capabilities = Document.of(gost_capabilities(settings))
        page = environment.get_template("gost_examples.html").render(
            root="../", examples=EXAMPLES, standard_id=OBSERVABILITY
        )
        self._examples = Document.of(page.encode(), "application/xhtml+xml")

    @property
    def routes(self) -> list[Route]:
        """All resources."""
        return [
            Route("/gost", self.front),
            Route("/gost/query", self.query, methods=["GET", "POST"]),
            Route("/gost/capabilities", self.capabilities),
            Route("/gost/availability", self.availability),
            Route("/gost/examples", self.examples),
        ]

    async def front(self, request: Request) -> Response:  # noqa: ARG002
        """Lead whoever opens the bare address to the examples."""
        return RedirectResponse("gost/examples", 303)

    async def query(self, request: Request) -> Response:
        """Tell when Gaia observes a position: the same under the names of both drafts and with those of ESA's GOST."""
        parameters = await read_parameters(request, max_body=self._settings.max_body)
        request.state.text_format, request.state.json_format = wants_text(parameters), wants_json(parameters)
        wanted = ForecastRequest.from_parameters(parameters, self._settings)
        caller: Caller = request.state.caller
        try:
            await self._slots.acquire(caller.account, self._settings.queue_time)
        except TimeoutError:
            raise UnavailableError("Too many forecasts are being made.", hint="Try again in a moment.") from None
        try:
            body = await asyncio.to_thread(self._document, wanted, request_id.get())
        finally:
            self._slots.release(caller.account)
        name = f"gaia_{wanted.ra:.4f}_{wanted.dec:+.4f}{wanted.format.extension}"
        return Response(body, headers={"Cache-Control": "no-store", **result_headers(wanted.content_type, name)})

    async def capabilities(self, request: Request) -> Response:
        """Answer VOSI capabilities."""
        return self._capabilities.response(request)

    async def availability(self, request: Request) -> Response:  # noqa: ARG002
        """Answer VOSI availability, after really making a forecast."""
        available, notes = await asyncio.to_thread(run_checks, [Check("forecast", self._try)])
        body = availability_document(available, notes, self._up_since)
        return Response(body, headers={"Cache-Control": "no-store"}, media_type=XML)

    async def examples(self, request: Request) -> Response:
        """Answer the DALI examples."""
        return self._examples.response(request)

    def _document(self, wanted: ForecastRequest, label: str) -> bytes:
        from gaia.gost.visibility import visibility  # noqa: PLC0415  (the kernel is loaded when somebody asks it)

        found = visibility(wanted)
        batch = found.batch.slice(0, wanted.maxrec)
        metadata = ResultMetadata(
            name="result",
            description="When the position crosses the fields of view of Gaia, by its nominal scanning law",
            infos=(
                ("standardID", OBSERVABILITY, ""),
                ("request_id", label, ""),
                *found.infos,
                *((name, value, "") for name, value in DR3.facts().items() if name in ("licence", "acknowledgement")),
            ),
            timesys=SYSTEMS,
            services=(self._descriptor,),
        )
        writer = wanted.format.writer(VISIBILITY, metadata)
        try:
            pieces = [writer.begin()]
            pieces += map(bytes, writer.batch(batch) if batch.num_rows else ())
            # MAXREC=0 asks for metadata only and is answered as cut (DALI 1.1, section 3.4.4).
            overflow = batch.num_rows < found.batch.num_rows or wanted.maxrec == 0
            pieces += map(bytes, writer.end(Outcome(rows=batch.num_rows, overflow=overflow)))
        finally:
            writer.close()
        return b"".join(pieces)

    def _try(self) -> None:
        self._document(ForecastRequest.from_parameters(_TRIED, self._settings), "availability")


_TRIED = Parameters([("POS", "45,20"), ("TIME", "58000/58001")])
