"""Builds the parts of one process; the only place that knows how they hang together."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from tap.adql import Dialect
from tap.handlers import DescriptionHandlers
from tap.query.handlers import QueryHandlers
from tap.query.service import QueryService
from tap.schema.service import SchemaService
from vo.core.database import ArrowPool, owner_engine
from vo.core.errors import UnavailableError
from vo.core.settings import TAP_ROLE, Settings
from vo.core.vosi import Check, check_disk


@dataclass(frozen=True)
class Parts:
    """What the web application needs."""

    settings: Settings
    schema: SchemaService
    pool: ArrowPool
    queries: QueryHandlers
    descriptions: DescriptionHandlers


def build(settings: Settings) -> Parts:
    """Build the parts of a process that answers HTTP; nothing is connected yet."""
    engine = owner_engine(settings)
    schema = SchemaService(engine, settings.conninfo())
    pool = ArrowPool(
        settings.conninfo(TAP_ROLE),
        size=settings.connections,
        wait=settings.queue_time,
        statement_time=settings.sync_time,
    )
    dialect = Dialect(
        join_without_condition=settings.join_without_on,
        free_words=frozenset(word.lower() for word in settings.free_words),
    )
    probe = ArrowPool(settings.conninfo(TAP_ROLE), size=1, wait=5, statement_time=5)

    def check_metadata() -> None:
        try:
            with engine.connect() as connection:
                connection.execute(text("SELECT 1 FROM vo.catalogue"))
        except SQLAlchemyError as error:
            raise UnavailableError("the database does not answer.") from error

    def check_queries() -> None:
        for attempt in (1, 2):
            with probe.stream() as stream:
                try:
                    stream.start("SELECT 1 AS c0", "vo:availability")
                    stream.next_batch()
                    stream.next_batch()
                except UnavailableError:
                    if attempt == 2:
                        raise
                    probe.forget()
                else:
                    return

    checks = [
        Check("metadata", check_metadata),
        Check("queries", check_queries),
        Check("disk", lambda: check_disk(settings.home, settings.min_disk)),
    ]
    return Parts(
        settings=settings,
        schema=schema,
        pool=pool,
        queries=QueryHandlers(QueryService(schema, pool, dialect), settings),
        descriptions=DescriptionHandlers(schema, settings, dialect, checks),
    )
