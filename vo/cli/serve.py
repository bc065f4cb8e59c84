"""``vo serve``: the service in the foreground."""

from __future__ import annotations

import contextlib
import fcntl
import signal
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from types import FrameType

from rich.panel import Panel
from rich.text import Text
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from gaia.gost import obsplan
from tap.ingest.service import IngestService
from tap.ingest.sweep import sweep
from tap.schema.store import read_tableset
from vo.app.pages import first_query, shell_argument
from vo.app.parts import dialect
from vo.app.server import Supervisor, listen
from vo.cli.environment import database
from vo.cli.progress import console, ingest_progress, show_report
from vo.core.cluster import Cluster
from vo.core.database import owner_engine
from vo.core.errors import ConfigurationError
from vo.core.settings import Settings, load_settings, make_home
from vo.demo import catalogues


def run(*, prepare: bool) -> None:
    """Serve until SIGINT or SIGTERM, then end every process that was started."""
    found = load_settings()
    dialect(found)  # the processes would each fail over a wrong file of functions: it is told here, once
    with _alone(found), contextlib.ExitStack() as stack:
        with console.status("Starting the database …"):
            settings = stack.enter_context(database(prepare=prepare))
        listener = listen(settings)
        if prepare:
            _publish_missing(settings)
        sweep(settings)
        supervisor = Supervisor(settings, Cluster(settings) if settings.private_cluster else None)

        def on_signal(_number: int, _frame: FrameType | None) -> None:
            if not supervisor.stopping:
                console.print("Stopping …")
            supervisor.stop()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup
                signal.signal(number, on_signal)
        welcome = threading.Thread(target=_welcome, args=(settings, supervisor), daemon=True)
        welcome.start()
        supervisor.run(listener)
        listener.close()
    console.print("Stopped.")


@contextlib.contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Make sure that no other service runs on the same data folder."""
    make_home(settings)
    with (settings.home / "serve.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ConfigurationError(
                f"A service runs already on {settings.home}: {lock.read().strip()}.",
                hint="Stop it first, or give this one another VO_HOME and VO_PORT.",
            ) from None
        lock.truncate(0)
        lock.write(settings.public_url)
        lock.flush()
        yield


def _publish_missing(settings: Settings) -> None:
    """Publish the demonstration catalogues and the plan of Gaia's observations that the database does not have."""
    engine = owner_engine(settings)
    with engine.connect() as connection:
        have = set(connection.execute(text("SELECT table_name FROM vo.published_tables")).scalars())
    engine.dispose()
    service = IngestService(settings)
    for catalogue in catalogues.CATALOGUES:
        if str(catalogue.name) not in have:
            with ingest_progress(str(catalogue.name), None) as progress:
                report = catalogues.publish(service, catalogue, progress)
            show_report(report)
    if str(obsplan.NAME) not in have:
        with ingest_progress(str(obsplan.NAME), obsplan.rows()) as progress:
            report = obsplan.publish(service, progress)
        show_report(report)


def _welcome(settings: Settings, supervisor: Supervisor) -> None:
    """Once the service answers, show its addresses and three queries to paste."""
    while not supervisor.stopping:
        try:
            with urllib.request.urlopen(f"{settings.local_url}/tap/availability", timeout=5) as answer:  # noqa: S310  (our own address)
                answer.read()
            break
        except OSError:
            time.sleep(0.05)
    else:
        return
    engine = owner_engine(settings)
    try:
        with engine.connect() as connection:
            query = first_query(read_tableset(connection))
    except OperationalError:  # stopped in the meantime
        return
    finally:
        engine.dispose()
    url = settings.public_url
    page = Text.assemble(
        ("Front page   ", "bold"),
        f"{url}/\n",
        ("Query page   ", "bold"),
        f"{url}/query\n",
        ("TAP service  ", "bold"),
        f"{url}/tap\n",
        ("             in TOPCAT: VO, Table Access Protocol, TAP URL", "dim"),
    )
    console.print(Panel(page, title=settings.title, border_style="green", expand=False))
    console.print("First queries, to paste into another terminal:", style="bold")
    stilts = f"stilts tapquery sync=true tapurl={url}/tap ofmt=ascii adql={shell_argument(query)}"
    program = f"import pyvo; print(pyvo.dal.TAPService('{url}/tap').search({query!r}).to_table())"
    python = f"{sys.executable} -c {shell_argument(program)}"
    browser = f"{url}/query?" + urllib.parse.urlencode({"ACTION": "run", "QUERY": query})
    for name, line in {"STILTS": stilts, "pyvo": python, "browser": browser}.items():
        console.print(f"\n[bold]{name}[/]")
        console.print(line, soft_wrap=True, markup=False)
    console.print("\nCtrl-C stops it.", style="dim")
