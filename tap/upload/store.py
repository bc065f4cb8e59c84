"""The books of callers' tables: which there are, whose they are, what they take, and which nobody holds any more.

A table that came with a query ends with it: the session that made it holds the advisory lock of its number, which goes
with the session, however that ends. A table that is kept until its owner removes it differs in this alone (`kept`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import structlog
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tap.tables.models import TableName
from tap.upload.models import Upload
from vo.core.callers import Caller
from vo.core.database import owner_engine
from vo.core.errors import UnavailableError
from vo.core.limits import Limits
from vo.core.settings import Settings

SCHEMA = "vo_upload"
LOCK_SPACE = 0x766F0006
"""First half of the advisory lock keys of tables that end with a session."""
ACCOUNT_LOCK = 0x766F0007
"""First half of the advisory lock keys of accounts that get a table."""
LOCK_TIMEOUT = "2s"

log = structlog.get_logger()

_NUMBERS = text("SELECT nextval('vo.caller_table_id') FROM generate_series(1, :count)")
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(:space, hashtext(:account))")
_HELD = """
    EXISTS (
        SELECT FROM pg_locks AS l
        WHERE l.locktype = 'advisory' AND l.classid = :space AND l.objid = t.table_id
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    )
"""
_USED = text(f"""
    SELECT coalesce(sum(t.bytes), 0) FROM vo.caller_tables AS t
    WHERE t.account = :account AND (t.kept OR {_HELD})
""")  # noqa: S608
_INSERT = text("""
    INSERT INTO vo.caller_tables (table_id, account, owner, name) VALUES (:table_id, :account, :owner, :name)
""")
_GROW = text("UPDATE vo.caller_tables SET bytes = :bytes, row_count = :rows WHERE table_id = :table_id")
_SIZE = text("SELECT coalesce(pg_total_relation_size(to_regclass(:name)), 0)")
_FORGET = text("DELETE FROM vo.caller_tables WHERE table_id = ANY(:numbers)")
_ENDED = text(f"SELECT t.table_id FROM vo.caller_tables AS t WHERE NOT t.kept AND NOT {_HELD}")  # noqa: S608


def sweep_uploads(settings: Settings) -> int:
    """Drop tables that came with queries whose process could not do it; return how many."""
    engine = owner_engine(settings)
    try:
        return TableBooks(engine, Limits.of(settings)).sweep()
    finally:
        engine.dispose()


def physical_name(number: int) -> TableName:
    """Return where the table of a number is."""
    return TableName(SCHEMA, f"t{number}")


class TableBooks:
    """Writes the books.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        Connections as the owner.
    limits : Limits
        What one caller may use.
    """

    def __init__(self, engine: Engine, limits: Limits) -> None:
        self._engine = engine
        self._limits = limits

    def numbers(self, count: int) -> list[int]:
        """Return numbers for new tables, whose locks the session that makes the tables takes before it enters them."""
        with self._transaction() as connection:
            return list(connection.execute(_NUMBERS, {"count": count}).scalars())

    def enter(self, numbers: Sequence[int], uploads: Sequence[Upload], caller: Caller) -> None:
        """Enter new tables.

        Raises
        ------
        QuotaError
            If the caller's tables take all the space that they may.
        """
        with self._transaction() as connection:
            self._check_space(connection, caller.account)
            rows = [
                {"table_id": number, "account": caller.account, "owner": caller.identity, "name": upload.full_name}
                for number, upload in zip(numbers, uploads, strict=True)
            ]
            connection.execute(_INSERT, rows)

    def grow(self, number: int, account: str, *, size: int, rows: int) -> None:
        """Note what a table takes by now.

        Raises
        ------
        QuotaError
            If the caller's tables take more than they may.
        """
        with self._transaction() as connection:
            connection.execute(_GROW, {"table_id": number, "bytes": size, "rows": rows})
            self._check_space(connection, account)

    def measure(self, number: int, account: str, *, rows: int) -> None:
        """Note what a table takes that is complete, with its indexes."""
        with self._transaction() as connection:
            size = int(connection.execute(_SIZE, {"name": str(physical_name(number))}).scalar_one())
            connection.execute(_GROW, {"table_id": number, "bytes": size, "rows": rows})
            self._check_space(connection, account)

    def forget(self, numbers: Sequence[int]) -> None:
        """Strike tables that were dropped."""
        with self._transaction() as connection:
            connection.execute(_FORGET, {"numbers": list(numbers)})

    def sweep(self) -> int:
        """Drop tables that ended with a session that could not do it; return how many."""
        with self._transaction() as connection:
            ended = list(connection.execute(_ENDED, {"space": LOCK_SPACE}).scalars())
        swept = 0
        for number in ended:
            with suppress(UnavailableError), self._transaction() as connection:  # some backend reads it still
                connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
                connection.execute(text(f"DROP TABLE IF EXISTS {physical_name(number)}"))
                connection.execute(_FORGET, {"numbers": [number]})
                swept += 1
        if swept:
            log.info("uploads.swept", tables=swept)
        return swept

    def _check_space(self, connection: Connection, account: str) -> None:
        connection.execute(_ONE_AT_A_TIME, {"space": ACCOUNT_LOCK, "account": account})
        used = int(connection.execute(_USED, {"account": account, "space": LOCK_SPACE}).scalar_one())
        self._limits.check_upload_space(used)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except (DBAPIError, PoolTimeoutError) as error:
            raise UnavailableError("The database does not answer.", hint="Try again in a moment.") from error
