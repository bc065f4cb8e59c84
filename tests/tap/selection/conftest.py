"""Selections in this process, over the database of the running service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tap.adql import Dialect
from tap.schema.service import SchemaService
from tap.selection import SelectionService
from tap.upload.loading import UploadService
from tap.upload.results import OwnResults
from tap.upload.sources import Sources
from tap.upload.store import TableBooks
from tests.conftest import Service
from tests.tap.elsewhere import Elsewhere
from tests.tap.selection.asking import Desk
from uws.service import Jobs
from uws.store import JobStore
from vo.core.arrow import ArrowPool
from vo.core.database import owner_engine
from vo.core.fetch import FetchPolicy
from vo.core.files import FileStore
from vo.core.limits import Limits
from vo.core.scratch import ScratchBooks
from vo.core.settings import TAP_ROLE


@pytest.fixture(scope="package")
def desk(service: Service, elsewhere: Elsewhere) -> Iterator[Desk]:
    settings = service.settings.model_copy(update={"upload_hosts": (elsewhere.host,)})
    limits = Limits.of(settings)
    engine = owner_engine(settings)
    jobs = Jobs("tap", JobStore(engine), FileStore(settings.results_location), limits, max_parameters=settings.max_body)
    own = OwnResults({f"{settings.public_url}/tap/async": jobs})
    sources = Sources(FetchPolicy.of(settings), own.open, ScratchBooks(limits))
    uploads = UploadService(settings, TableBooks(engine, limits), sources, limits)
    pool = ArrowPool(settings.conninfo(TAP_ROLE), size=6, wait=5, statement_time=300)
    schema = SchemaService(engine, settings.conninfo())
    yield Desk(service, schema, SelectionService(schema, pool, Dialect(), uploads), pool)
    pool.close()
    uploads.connections.close()
    engine.dispose()
