"""A PostgreSQL of the facility's own, over TCP with passwords, as its administrator sets it up."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest
import pyvo

from sql import read_sql
from tests.conftest import Service, free_port, make_home, wait_until
from vo.cli.doctor import LIMITS
from vo.core.cluster import Cluster
from vo.core.migrations import head
from vo.core.settings import load_settings

OWNER_PASSWORD = "owner/s%cret"
TAP_PASSWORD = "tap-s@cret"
ADMINISTRATOR = "administrator"


@dataclass
class Server:
    """A plain PostgreSQL on 127.0.0.1 with password authentication."""

    folder: Path
    port: int = 0

    def __post_init__(self) -> None:
        self.port = free_port()
        self.data = self.folder / "data"
        cluster = Cluster(load_settings(home=self.folder))
        self._bin = Path(cluster.program("postgres")).parent
        self._user = "postgres" if os.geteuid() == 0 else None

    def make(self) -> None:
        """Initialise and start it."""
        password = self.folder / "password"
        password.write_text("administrator's own\n")
        if self._user:
            shutil.chown(self.folder, self._user)
            shutil.chown(password, self._user)
        self.run("initdb", "-D", self.data, "-U", ADMINISTRATOR, "--auth=scram-sha-256", "--pwfile", password)
        with (self.data / "postgresql.conf").open("a") as configuration:
            configuration.write(f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\n")
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.run("pg_ctl", "start", "-D", self.data, "-w", "-s", "-l", self.folder / "log")

    def stop(self) -> None:
        """Stop it, ending its sessions."""
        self.run("pg_ctl", "stop", "-D", self.data, "-m", "fast", "-w", "-s")

    def run(self, program: str, *arguments: object) -> None:
        """Run one of PostgreSQL's programs as the user who owns the server."""
        with (self.folder / "said").open("ab") as said:  # a pipe would stay open with the server
            done = subprocess.run(
                [self._bin / program, *map(str, arguments)],
                user=self._user,
                group=self._user,
                extra_groups=[] if self._user else None,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                check=False,
            )
        assert done.returncode == 0, (self.folder / "said").read_text()

    def psql(self, script: str, database: str = "vo") -> str:
        """Run SQL as its administrator, as the manual has it: ``… | psql``."""
        done = subprocess.run(
            [
                self._bin / "psql",
                "-X",
                "-q",
                "-v",
                "ON_ERROR_STOP=1",
                "-h",
                "127.0.0.1",
                "-p",
                str(self.port),
                database,
            ],
            env={**os.environ, "PGUSER": ADMINISTRATOR, "PGPASSWORD": "administrator's own"},
            input=script,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A running server with the two roles and an empty database."""
    folder = make_home()
    made = Server(folder)
    made.make()
    made.psql(
        f"CREATE ROLE vo LOGIN PASSWORD '{OWNER_PASSWORD}'; CREATE ROLE vo_tap LOGIN PASSWORD '{TAP_PASSWORD}'",
        "postgres",
    )
    made.psql("CREATE DATABASE vo OWNER vo ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0", "postgres")
    yield made
    made.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def stack(server: Server) -> Iterator[Service]:
    """The stack configured for that server; nothing runs yet."""
    home = make_home()
    quoted = {"owner": "owner%2Fs%25cret", "tap": "tap-s%40cret"}
    configured = Service(
        home,
        prepare=False,
        VO_PROCESSES="2",
        VO_DATABASE_URL=f"postgresql://vo:{quoted['owner']}@127.0.0.1:{server.port}/vo",
        VO_TAP_DATABASE_URL=f"postgresql://vo_tap:{quoted['tap']}@127.0.0.1:{server.port}/vo",
    )
    yield configured
    if configured.process is not None:
        configured.stop()
    shutil.rmtree(home)


def fails(stack: Service, *arguments: str) -> str:
    """Run a command that must fail with a message, not a trace; return all it said."""
    done = stack.vo(*arguments, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "Traceback" not in said
    assert_no_password(said)
    return said


def assert_no_password(text: str) -> None:
    """See that no password stands in a text, in no form."""
    for secret in ("s%cret", "s%25cret", "s@cret", "s%40cret"):
        assert secret not in text


def test_from_nothing_to_a_query(server: Server, stack: Service, tmp_path: Path) -> None:
    """The way of the operator's manual, step by step; each command refuses what is too early for it."""
    said = fails(stack, "serve")
    assert "The database is at migration none" in said
    assert "Run: vo database migrate" in said
    assert "vo database setup-sql" in fails(stack, "doctor")

    setup = stack.vo("database", "setup-sql").stdout
    assert setup.strip() == read_sql("setup.sql").strip()
    server.psql(setup)
    server.psql(setup)  # doing it again changes nothing
    assert "vo database migrate" in fails(stack, "doctor")
    assert f"migration {head()}" in stack.vo("database", "migrate").stdout

    table = tmp_path / "stars.csv"
    table.write_text("name,ra,dec\na,10.0,20.0\nb,10.1,20.0\nc,200.0,-20.0\n")
    stack.vo("ingest", str(table), "--table", "own.stars")
    stack.start()
    cone = "SELECT name FROM own.stars WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(10, 20, 1)) ORDER BY name"
    assert list(pyvo.dal.TAPService(stack.tap).search(cone)["name"]) == ["a", "b"]
    healthy = stack.vo("doctor")
    assert "All is well." in healthy.stderr
    assert f"the service at {stack.url} answers" in healthy.stderr
    assert not (stack.home / "postgres").exists()

    titles = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    assert_no_password(titles)
    for file in (stack.output, stack.home / "log" / "vo.log"):
        assert_no_password(file.read_text())


def test_the_server_goes_away_and_comes_back(server: Server, stack: Service) -> None:
    server.stop()
    said = fails(stack, "doctor")
    assert "Connection refused" in said
    assert "Check VO_DATABASE_URL" in said
    assert "Connection refused" in fails(stack, "database", "migrate")
    with pytest.raises(pyvo.dal.DALQueryError, match="The database"):
        pyvo.dal.TAPService(stack.tap).search("SELECT name FROM own.stars")
    server.start()
    stack.wait()
    assert len(pyvo.dal.TAPService(stack.tap).search("SELECT name FROM own.stars")) == 3
    assert_no_password((stack.home / "log" / "vo.log").read_text())


@pytest.mark.parametrize(
    ("damage", "advice"),
    [
        ("ALTER ROLE vo_tap RESET ALL", "no limit for " + ", ".join(sorted(LIMITS))),
        ("REVOKE SELECT ON tap_schema.tables FROM vo_tap", "GRANT SELECT ON tap_schema.tables TO vo_tap"),
        ("REVOKE USAGE ON SCHEMA own FROM vo_tap", "GRANT USAGE ON SCHEMA own TO vo_tap"),
        ("GRANT EXECUTE ON FUNCTION pg_sleep(double precision) TO PUBLIC", "ADQL's role can wait in a query"),
        ("GRANT TEMPORARY ON DATABASE vo TO vo_tap", "ADQL's role can make temporary tables"),
        (
            "GRANT USAGE ON SCHEMA vo TO vo_tap; GRANT SELECT ON vo.published_tables TO vo_tap",
            "can read internal tables",
        ),
        ("REVOKE CONNECT ON DATABASE vo FROM vo_tap", "ADQL's role cannot connect"),
        ("REVOKE pg_signal_backend FROM vo", "the owner may cancel queries"),
        ("ALTER FUNCTION q3c_ang2ipix(double precision, double precision) PARALLEL UNSAFE", "Q3C may run in parallel"),
        ("ALTER ROLE vo_tap PASSWORD 'changed'", "VO_TAP_DATABASE_URL"),
        ("UPDATE vo.alembic_version SET version_num = '9999'", "Upgrade the stack."),
    ],
)
def test_doctor_sees_what_is_broken(server: Server, stack: Service, damage: str, advice: str) -> None:
    server.psql(damage)
    try:
        assert advice in fails(stack, "doctor")
    finally:
        server.psql(
            f"UPDATE vo.alembic_version SET version_num = '{head()}'; REVOKE ALL ON SCHEMA vo FROM vo_tap;"
            "REVOKE ALL ON vo.published_tables FROM vo_tap; GRANT USAGE ON SCHEMA own TO vo_tap;"
            f"GRANT SELECT ON tap_schema.tables TO vo_tap; ALTER ROLE vo_tap PASSWORD '{TAP_PASSWORD}'"
        )
        server.psql(read_sql("setup.sql"))


def test_all_is_well_again_and_the_end_leaves_the_server_alone(server: Server, stack: Service) -> None:
    assert "All is well." in stack.vo("doctor").stderr
    assert stack.stop() == 0
    with closing(psycopg2.connect(stack.vo("database", "url").stdout.strip())) as connection:
        assert connection.status == psycopg2.extensions.STATUS_READY
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'vo_tap'"
    wait_until(lambda: server.psql(f"\\t\n{sessions}").strip() == "0", "the sessions of the service end")


def test_a_database_that_was_never_set_up(server: Server, stack: Service) -> None:
    """Migrating before the administrator's part says what is missing."""
    server.psql("CREATE DATABASE bare", "postgres")
    bare = stack.environment["VO_DATABASE_URL"].removesuffix("/vo") + "/bare"
    before = {**stack.environment}
    stack.environment.update(VO_DATABASE_URL=bare)
    try:
        said = fails(stack, "database", "migrate")
    finally:
        stack.environment.update(before)
    assert "The database cannot be migrated: permission denied for database bare." in said
    assert "vo doctor" in said
