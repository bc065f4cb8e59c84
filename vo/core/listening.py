"""PostgreSQL's notifications, followed in a thread of their own whatever happens to the database."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable, Sequence

import psycopg2
import structlog

from vo.core.database import KEEPALIVE
from vo.core.errors import ServiceError

POLL_SECONDS = 5.0
"""How often `missed` is called although all seems well: a watchdog for a connection that died silently."""
RETRY_SECONDS = 0.5
"""Pause before the database is tried again."""

log = structlog.get_logger()


class Listener:
    """Hears what is notified on some channels.

    Parameters
    ----------
    conninfo : str
        As libpq takes it.
    channels : sequence of str
        What to LISTEN to.
    heard : callable
        Called in the thread with the channel and the payload of each notification.
    missed : callable
        Called in the thread after each new connection, and every `POLL_SECONDS`: notifications may have been missed
        before, so look for yourself. It may raise a ServiceError.
    name : str
        Of the thread and, after ``vo:``, of the connection.
    """

    def __init__(
        self,
        conninfo: str,
        channels: Sequence[str],
        *,
        heard: Callable[[str, str], object],
        missed: Callable[[], object],
        name: str,
    ) -> None:
        self._conninfo = conninfo
        self._channels = channels
        self._heard = heard
        self._missed = missed
        self._name = name
        self._stopped = threading.Event()
        self._wake = -1
        self._lost = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to listen."""
        self._wake = os.eventfd(0, os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        if self._thread is not None:
            os.eventfd_write(self._wake, 1)  # it may be waiting for notifications
            self._thread.join()
            self._thread = None
            os.close(self._wake)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                connection = psycopg2.connect(
                    self._conninfo, connect_timeout=5, application_name=f"vo:{self._name}", **KEEPALIVE
                )
                try:
                    self._listen(connection)
                finally:
                    connection.close()
            except (psycopg2.Error, ServiceError) as error:
                if not self._lost:  # once, however long the database stays away
                    log.warning("listener.lost", listener=self._name, reason=type(error).__name__)
                self._lost = True
            except Exception:  # a bug of whoever listens must not make it deaf for ever
                log.exception("listener.bug", listener=self._name)
            self._stopped.wait(RETRY_SECONDS)

    def _listen(self, connection: psycopg2.extensions.connection) -> None:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for channel in self._channels:
                cursor.execute(f"LISTEN {channel}")
            self._missed()
            if self._lost:
                log.info("listener.found", listener=self._name)
                self._lost = False
            checked = time.monotonic()
            readable = select.poll()  # unlike select() it takes any file number: many clients may be connected
            readable.register(connection, select.POLLIN)
            readable.register(self._wake, select.POLLIN)
            while not self._stopped.is_set():
                if readable.poll(POLL_SECONDS * 1000):
                    connection.poll()
                    self._pass_on(connection)
                if time.monotonic() - checked > POLL_SECONDS:
                    cursor.execute("SELECT 1")  # a connection that the network lost says so now
                    self._pass_on(connection)
                    self._missed()
                    checked = time.monotonic()

    def _pass_on(self, connection: psycopg2.extensions.connection) -> None:
        while connection.notifies:
            notification = connection.notifies.pop(0)
            self._heard(notification.channel, notification.payload)
