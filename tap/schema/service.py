"""The catalogue as one process holds it: read once, kept until the database says that it changed."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from tap.adql import Catalogue, CatalogueColumn, CatalogueTable
from tap.schema import store
from tap.schema.models import Tableset
from vo.core import metrics
from vo.core.errors import UnavailableError
from vo.core.listening import Listener


@dataclass(frozen=True)
class Snapshot:
    """One version of the catalogue and what is derived from it."""

    tableset: Tableset

    @cached_property
    def catalogue(self) -> Catalogue:
        """The catalogue as ADQL's resolver takes it."""
        tables = [
            CatalogueTable(
                name=table.name,
                physical=table.physical,
                columns=tuple(
                    CatalogueColumn(
                        column=published.column,
                        sql_type=published.sql_type,
                        unique=published.unique,
                        indexed=published.indexed,
                        bounded=published.bounded,
                    )
                    for published in table.columns
                ),
                rows=table.rows,
                position=table.position,
            )
            for table in self.tableset.tables.values()
        ]
        return Catalogue(self.tableset.version, tables)


class SchemaService:
    """Gives the current snapshot; thread-safe.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        Connections as the owner.
    conninfo : str
        The same as libpq takes it, for the connection that listens.
    """

    def __init__(self, engine: Engine, conninfo: str) -> None:
        self._engine = engine
        self._snapshot: Snapshot | None = None
        self._lock = threading.Lock()
        self._listener = Listener(
            conninfo,
            ["vo_catalogue"],
            heard=lambda _channel, _version: self.refresh(),
            missed=self.refresh,
            name="catalogue",
        )

    def current(self) -> Snapshot:
        """Return the snapshot, reading it if none is held yet.

        Raises
        ------
        UnavailableError
            If the database does not answer.
        """
        return self._snapshot or self.refresh()

    def refresh(self) -> Snapshot:
        """Read the catalogue if the database has another version than the one held."""
        with self._lock:
            try:
                with self._engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
                    if self._snapshot is None or store.read_version(connection) != self._snapshot.tableset.version:
                        self._snapshot = Snapshot(store.read_tableset(connection))
                        metrics.CATALOGUE_VERSION.set(self._snapshot.tableset.version)
            except SQLAlchemyError as error:
                raise UnavailableError("The database does not answer.", hint="Try again in a moment.") from error
            return self._snapshot

    def start(self) -> None:
        """Follow changes of the catalogue in a thread of its own."""
        self._listener.start()

    def stop(self) -> None:
        """End the thread."""
        self._listener.stop()
