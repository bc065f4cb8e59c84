"""The private PostgreSQL cluster: created, started and stopped by whoever needs it.

It listens on a Unix socket below the data folder only, and lets in only the operating-system user that created it
(peer authentication). Several programs may use it at once (``vo serve``, ``vo ingest`` …): each holds a shared lock,
the first one in starts the cluster and the last one out stops it. Locks go with their process, so a killed program
never leaves the cluster marked as used.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vo.core.errors import ConfigurationError
from vo.core.settings import OWNER_ROLE, TAP_ROLE, Settings, make_home

SUPERUSER = "postgres"
MAX_SOCKET_PATH = 107
"""Longest path of a Unix socket on Linux, in bytes (sockaddr_un)."""

_PROCESS_MEMORY = max(2**20, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**12)
"""Kibibytes that one process of PostgreSQL may take for itself: a quarter of the machine's memory, at least 1 GiB. A
query that wants more ends with an error; without this the kernel would end the whole server."""
_WITHIN_MEMORY = ("sh", "-c", f'ulimit -S -d {_PROCESS_MEMORY} 2>/dev/null; exec "$@"', "sh")


class Cluster:
    """The private cluster of one data folder.

    Parameters
    ----------
    settings : Settings
        With `home` naming the data folder.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.home = settings.home
        self.data = settings.home / "postgres"
        self.sockets = settings.socket_directory
        self.log = settings.home / "log" / "postgres.log"
        # initdb and postgres refuse to run as root; Debian's package brings the user for that.
        self._user = SUPERUSER if os.geteuid() == 0 else None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the cluster running for the time of a ``with`` block."""
        self.prepare_home()
        with (self.home / "cluster.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            try:
                self.start()
                yield
            finally:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    pass  # someone else still uses it
                else:
                    self.stop()

    @property
    def created(self) -> bool:
        """Whether the cluster exists on disk."""
        return (self.data / "PG_VERSION").exists()

    def _create(self) -> None:
        """Make the cluster on disk; a half-made one never looks like a whole one."""
        half = self.home / "postgres.new"
        if half.exists():
            shutil.rmtree(half)
        self._folder(half, 0o700)
        # C.UTF-8: text sorts by code point at memcmp's speed, and upper/lower still know Unicode.
        self._run(
            *("initdb", "--pgdata", half, "--username", SUPERUSER, "--auth", "peer", "--encoding", "UTF8"),
            *("--locale", "C.UTF-8", "--data-checksums", "--no-instructions"),
        )
        half.rename(self.data)

    def start(self) -> None:
        """Start PostgreSQL and wait until it answers, unless it runs already; the first time make the cluster.

        Raises
        ------
        ConfigurationError
            With the last lines of PostgreSQL's log when it does not come up.
        """
        with (self.home / "starting.lock").open("w") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            if not self.created:
                self._create()
            if self.running:
                return
            self._end_orphans()
            self._configure()
            try:
                self._run(
                    *("pg_ctl", "start", "--pgdata", self.data, "--log", self.log),
                    *("--wait", "--timeout", "120", "--silent"),
                )
            except ConfigurationError as error:
                tail = self.log.read_text(errors="replace").splitlines()[-5:]
                raise ConfigurationError("PostgreSQL did not start: " + " / ".join(tail or [error.message])) from None

    def _end_orphans(self) -> None:
        """End backends that outlived a killed server: while one of them computes, PostgreSQL does not start again."""
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (process / "cwd").readlink() == self.data:
                    os.kill(int(process.name), signal.SIGQUIT)

    def stop(self) -> None:
        """Stop PostgreSQL, ending its connections; does nothing when it does not run."""
        if self.running:
            self._run(
                "pg_ctl", "stop", "--pgdata", self.data, "--mode", "fast", "--wait", "--timeout", "120", "--silent"
            )

    @property
    def running(self) -> bool:
        """Whether this cluster's server process exists.

        Read from the cluster's own pid file: the supervisor asks every second, a program for that would cost too much.
        """
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            return Path(f"/proc/{pid}/cwd").readlink() == self.data
        except (OSError, ValueError):
            return False

    def program(self, name: str) -> str:
        """Return the path of one of PostgreSQL's programs, of the cluster's own version where it exists."""
        return str(self._programs() / name)

    def _programs(self) -> Path:
        chosen = self._settings.postgres_bin
        if chosen is not None:
            if not (chosen / "initdb").exists():
                raise ConfigurationError(f"VO_POSTGRES_BIN={chosen} does not hold PostgreSQL's programs.")
            return chosen
        if self.created:
            versions = [(self.data / "PG_VERSION").read_text().strip()]
        else:
            found = Path("/usr/share/postgresql").glob("*/extension/q3c.control")
            versions = sorted((path.parts[-3] for path in found), key=lambda v: -int(v) if v.isdigit() else 0)
        for version in versions:
            folder = Path("/usr/lib/postgresql") / version / "bin"
            if (folder / "initdb").exists():
                return folder
        raise ConfigurationError(
            "No PostgreSQL with the Q3C extension is installed.",
            hint="Install the Debian packages postgresql-15, postgresql-15-q3c and postgresql-15-pgsphere, "
            "or name the folder of PostgreSQL's programs in VO_POSTGRES_BIN.",
        )

    def prepare_home(self) -> None:
        """Make the data folder, and make sure that the database's user can work in it.

        Raises
        ------
        ConfigurationError
            Saying what is wrong with the folder.
        """
        socket = self.sockets / ".s.PGSQL.5432"
        if len(os.fsencode(socket)) > MAX_SOCKET_PATH:
            raise ConfigurationError(
                f"VO_HOME={self.home} is too long: a Unix socket below it would exceed {MAX_SOCKET_PATH} bytes.",
                hint="Choose a shorter VO_HOME.",
            )
        make_home(self._settings)
        (self.home / "log").mkdir(exist_ok=True)
        if self._user and not self._reachable():
            raise ConfigurationError(
                f"The database runs as the user {self._user}, who cannot enter VO_HOME={self.home}.",
                hint="Choose one below folders that all users may enter, such as /var/lib/vo, or use chmod o+x.",
            )
        self._folder(self.sockets, 0o755)

    def _reachable(self) -> bool:
        if self._user is None:
            return True
        try:
            pwd.getpwnam(self._user)
        except KeyError:
            raise ConfigurationError(
                f"There is no user {self._user} to run the database as.",
                hint="Install the Debian package postgresql-15.",
            ) from None
        test = ["test", "-x", str(self.home)]
        return (
            subprocess.run(test, user=self._user, group=self._user, extra_groups=[], cwd="/", check=False).returncode
            == 0
        )

    def _folder(self, path: Path, mode: int) -> None:
        path.mkdir(mode=mode, exist_ok=True)
        path.chmod(mode)
        if self._user:
            shutil.chown(path, self._user, self._user)

    def _configure(self) -> None:
        """Write the configuration for this machine as it is now."""
        service_user = pwd.getpwuid(os.geteuid()).pw_name
        roles = (SUPERUSER, OWNER_ROLE, TAP_ROLE)
        ident = "".join(f"vo {service_user} {role}\n" for role in roles) + f"vo {SUPERUSER} {SUPERUSER}\n"
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
        shared_buffers = max(128, min(memory // 4, 8192))
        maintenance = max(64, min(memory // 16, 2048))
        cores = os.cpu_count() or 1
        configuration = f"""\
# Written by vo at every start; put your own settings into postgresql.auto.conf with ALTER SYSTEM.
listen_addresses = ''
unix_socket_directories = '{self.sockets}'
max_connections = 200
shared_buffers = {shared_buffers}MB
effective_cache_size = {memory // 2}MB
work_mem = 64MB
maintenance_work_mem = {maintenance}MB
max_parallel_workers = {cores}
max_parallel_workers_per_gather = {min(4, cores)}
max_parallel_maintenance_workers = {min(4, cores)}
random_page_cost = 1.1
jit = off
# No replicas here: bulk loads need not go through the write-ahead log.
wal_level = minimal
max_wal_senders = 0
max_wal_size = 4GB
checkpoint_completion_target = 0.9
log_line_prefix = '%m [%p] %a '
log_min_duration_statement = 10s
"""
        for name, text in {
            "vo.conf": configuration,
            "pg_hba.conf": "local all all peer map=vo\n",
            "pg_ident.conf": ident,
        }.items():
            path = self.data / name
            path.write_text(text)
            if self._user:
                shutil.chown(path, self._user, self._user)
        main = self.data / "postgresql.conf"
        include = "include 'vo.conf'\n"
        if include not in main.read_text():
            with main.open("a") as stream:
                stream.write(include)
        self.log.touch()
        if self._user:
            shutil.chown(self.log, self._user, self._user)

    def _run(self, program: str, *arguments: str | Path) -> None:
        status, output = self._call(program, *arguments)
        if status:
            raise ConfigurationError(f"{program} failed: {' / '.join(output.strip().splitlines()[-5:])}")

    def _call(self, program: str, *arguments: str | Path) -> tuple[int, str]:
        """Run a program of PostgreSQL as the cluster's user; return its exit status and what it printed."""
        with subprocess.Popen(
            [*_WITHIN_MEMORY, self.program(program), *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd="/",
            user=self._user,
            group=self._user,
            extra_groups=[] if self._user else None,
            # Ctrl-C in the terminal is for us to handle: PostgreSQL must not see it first.
            start_new_session=True,
        ) as process:
            try:
                output, _ = process.communicate()
            finally:
                process.wait()  # interrupted: what it has begun is to be stopped, so it must have begun
        return process.returncode, output
