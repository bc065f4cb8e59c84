"""The database session to which the tables of one query belong.

It is psycopg2's: ADBC 1.8 ends its whole process when a statement that gives no rows finds its connection lost
(docs/decisions/0001-adbc-1.8.md), and indexes of uploads are built in processes that serve others too. ADBC copies the
rows, which it does ten times as fast.
"""

from __future__ import annotations

from contextlib import suppress

import psycopg2

from tap.tables.store import explained
from vo.core.database import connect
from vo.core.errors import ServiceError
from vo.core.settings import Settings


class _StatementError(Exception):
    """psycopg2's error in the form of ADBC's, which `explained` reads."""

    def __init__(self, error: psycopg2.Error) -> None:
        super().__init__(f"ERROR:  {error}")
        self.sqlstate = error.pgcode


class Session:
    """One session as the owner; one thread uses it, any thread may cancel.

    Raises
    ------
    UnavailableError
        If the database does not let it in.
    """

    def __init__(self, settings: Settings) -> None:
        self._connection = connect(settings)

    def execute(self, statement: str) -> None:
        """Run a statement in the transaction that it may begin.

        Raises
        ------
        ServiceError
            What the database refused.
        """
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(statement)
        except psycopg2.Error as error:
            raise explained(_StatementError(error)) from error

    def commit(self) -> None:
        """Keep what was done."""
        try:
            self._connection.commit()
        except psycopg2.Error as error:
            raise explained(_StatementError(error)) from error

    def rollback(self) -> None:
        """Forget what was not kept."""
        try:
            self._connection.rollback()
        except psycopg2.Error as error:
            raise explained(_StatementError(error)) from error

    @property
    def alive(self) -> bool:
        """Whether the database still knows the session."""
        try:
            self.execute("SELECT 1")
            self.rollback()
        except ServiceError:
            return False
        return True

    def cancel(self) -> None:
        """Make a running statement end soon."""
        with suppress(psycopg2.Error):
            self._connection.cancel()

    def close(self) -> None:
        """End it, and with it the locks that it holds."""
        with suppress(psycopg2.Error):
            self._connection.close()
