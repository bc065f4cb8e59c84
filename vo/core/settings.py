"""Settings: from the environment (``VO_*``), then from ``vo.toml`` in the data folder, then the defaults here."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from vo.core.errors import ConfigurationError

OWNER_ROLE = "vo"
"""Database role that owns everything published and everything internal."""
TAP_ROLE = "vo_tap"
"""Login role under which ADQL runs; it can read what is published and nothing else."""
DATABASE = "vo"
"""Name of the database in the private cluster."""
SOURCES = "They are read from VO_* in the environment and vo.toml in VO_HOME."


def default_home() -> Path:
    """Return the data folder used when ``VO_HOME`` is not set: the system's for root, the user's otherwise."""
    if os.geteuid() == 0:
        return Path("/var/lib/vo")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "vo"


class Settings(BaseSettings):
    """Everything an operator can set. The name in the environment is the field's in upper case after ``VO_``."""

    model_config = SettingsConfigDict(env_prefix="VO_", extra="forbid", frozen=True, use_attribute_docstrings=True)

    home: Path = Field(default_factory=default_home)
    """Data folder: the private PostgreSQL cluster, logs, metrics. Read from the environment only."""

    host: str = "127.0.0.1"
    """Address to listen on."""

    port: Annotated[int, Field(ge=1, le=65535)] = 8080
    """TCP port to listen on."""

    base_url: str = ""
    """URL under which clients reach the service; needed behind a proxy. Default: made of host and port."""

    trusted_proxies: str = "127.0.0.1,::1"
    """Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed: addresses or networks, with commas between.
    Anonymous callers are told apart by the address that they name; ``*`` believes everybody."""

    cors_origins: tuple[str, ...] = ("*",)
    """Web pages that may use the service from their scripts: origins such as ``["https://portal.example.org"]``, ``*``
    for all of them. There are no cookies; the list of the jobs of a visitor's address is for pages named here alone."""

    title: str = "Virtual Observatory service"
    """Name of the service on its front page."""

    database_url: str = ""
    """An existing database, as its owner: ``postgresql://vo:…@host/name``. Default: a private cluster in `home`."""

    tap_database_url: str = ""
    """The same database as the login role for ADQL. Default: `database_url` with the user ``vo_tap``."""

    postgres_bin: Path | None = None
    """Folder of PostgreSQL's programs for the private cluster. Default: the newest installed version that has Q3C."""

    processes: Annotated[int, Field(ge=1, le=256)] = Field(default_factory=lambda: max(2, min(8, os.cpu_count() or 1)))
    """Number of processes that answer HTTP."""

    connections: Annotated[int, Field(ge=1, le=256)] = 8
    """Queries that one process runs at the same time; further ones wait."""

    queue_time: Annotated[float, Field(gt=0)] = 20.0
    """Seconds that a synchronous query waits for a free connection before the client is told to come back (503)."""

    default_maxrec: Annotated[int, Field(ge=1)] = 1_000_000
    """Rows returned when the client sends no MAXREC."""

    hard_maxrec: Annotated[int, Field(ge=1)] = 50_000_000
    """Most rows returned, whatever MAXREC says."""

    sync_time: Annotated[int, Field(ge=1)] = 600
    """Seconds after which a synchronous query is cancelled."""

    workers: Annotated[int, Field(ge=0, le=64)] = 1
    """Processes that run asynchronous jobs, started by ``vo serve``; more run anywhere by ``vo worker``."""

    worker_slots: Annotated[int, Field(ge=1, le=128)] = 4
    """Jobs that one worker runs at the same time."""

    drain_time: Annotated[float, Field(ge=0)] = 8.0
    """Seconds that a worker which is told to stop lets its jobs go on before it hands them back to the queue."""

    job_time: Annotated[int, Field(ge=1)] = 3600
    """Execution duration of a job, in seconds, unless the client sets another one."""

    max_job_time: Annotated[int, Field(ge=1)] = 86_400
    """Longest execution duration that a client can set, in seconds."""

    job_retention: Annotated[int, Field(ge=1)] = 7 * 86_400
    """Seconds from a job's creation to its destruction, unless the client sets another time."""

    max_job_retention: Annotated[int, Field(ge=1)] = 30 * 86_400
    """Seconds from now to the latest destruction that a client can set."""

    archive_time: Annotated[int, Field(ge=0)] = 0
    """Seconds that a destroyed job is still listed as ARCHIVED, without results; 0 forgets it at once."""

    running_jobs: Annotated[int, Field(ge=1)] = 3
    """Jobs of one caller that run at the same time, over all workers."""

    waiting_jobs: Annotated[int, Field(ge=1)] = 1000
    """Jobs of one caller that wait, pending or queued; no more are taken then."""

    max_result: Annotated[int, Field(ge=1024)] = 20 * 2**30
    """Largest result of one query or job, in bytes."""

    results_space: Annotated[int, Field(ge=1024)] = 50 * 2**30
    """Bytes that the stored results of one caller may take; no further job starts then."""

    results: str = ""
    """Where results of jobs are stored: a folder, or a URI that all hosts reach such as ``s3://…``. Default: a folder
    ``results`` in `home`."""

    scratch: Path | None = None
    """Folder for temporary files: uploads on their way, rows that are sorted, results in formats that need their end
    before their beginning. Default: a folder ``scratch`` in `home`."""

    max_wait: Annotated[float, Field(gt=0)] = 8.0
    """Seconds after which a request that waits for a job's next phase is answered; clients give up after ten."""

    max_body: Annotated[int, Field(ge=1024)] = 4 * 2**20
    """Largest request body, in bytes."""

    max_upload: Annotated[int, Field(ge=1024)] = 4 * 2**30
    """Most bytes of tables that one request may send, packed as they come."""

    max_upload_rows: Annotated[int, Field(ge=1)] = 100_000_000
    """Most rows of one uploaded table."""

    max_upload_columns: Annotated[int, Field(ge=1, le=1500)] = 1000
    """Most columns of one uploaded table."""

    upload_space: Annotated[int, Field(ge=1024)] = 20 * 2**30
    """Bytes in the database that the uploaded tables of one caller may take at the same time."""

    upload_hosts: tuple[str, ...] = ()
    """Hosts outside of the public Internet from which tables are fetched for UPLOAD, written
    ``["archive.local", "10.1.2.3:8000", "192.168.7.0/24"]``. All public hosts are, private and loopback addresses only
    if they stand here."""

    fetch_time: Annotated[float, Field(gt=0)] = 600.0
    """Seconds that fetching one table for UPLOAD may take."""

    task_memory: Annotated[int, Field(ge=192 * 2**20)] = 2 * 2**30
    """Bytes of memory that one computation may use, all its processes together; it is ended beyond."""

    task_disk: Annotated[int, Field(ge=2**20)] = 50 * 2**30
    """Bytes of temporary files that one computation may have at the same time."""

    task_cores: Annotated[int, Field(ge=1, le=1024)] = Field(default_factory=lambda: os.cpu_count() or 1)
    """Processes over which one computation spreads its work."""

    task_network: tuple[str, ...] = ()
    """Tasks that may use the network if they need it, such as ``["gost"]``; all others compute without."""

    task_sites: dict[str, str] = {}
    """Addresses of services elsewhere that such tasks ask, by the names that the tasks know them by, written
    ``{"gost": "https://gaia.esac.esa.int/gost"}``. No client can choose them."""

    cluster: str = ""
    """Address of a Ray cluster over which computations spread their work, such as ``head:6379``, of which the worker's
    host is a node; needs the extra ``cluster``. Default: this machine."""

    min_disk: Annotated[int, Field(ge=0)] = 2**30
    """Free bytes on the data folder's disk below which the service calls itself not available."""

    adql_join_without_condition: bool = True
    """ADQL: take ``a JOIN b`` without ON, USING or NATURAL as all pairs of rows: the grammar of ADQL 2.1 derives it."""

    adql_star_among_items: bool = True
    """ADQL: take ``SELECT *, x`` and ``SELECT t.*, x``; not in the grammar, but in many published queries."""

    adql_trailing_semicolon: bool = True
    """ADQL: take one semicolon at the end of a query; not in the grammar."""

    adql_adjacent_strings: bool = True
    """ADQL: take ``'a' 'b'`` as one string even on one line; on two lines they always are."""

    adql_unknown_frames: bool = True
    """ADQL: take a coordinate system that nobody knows, as in ``POINT('x', ra, dec)``, as if it were left out, and say
    so in the result."""

    adql_glued_numbers: bool = False
    """ADQL: take a number that runs into a word, ``SELECT 89x``, as if a blank stood between them."""

    adql_numeric_strings: bool = False
    """ADQL: take a literal string that is a number, ``'30' * 3``, where a number is needed."""

    adql_modulo: bool = False
    """ADQL: take ``x % y`` for ``MOD(x, y)``; in the prose of ADQL 2.1, not in its grammar."""

    adql_cross_join: bool = False
    """ADQL: take ``a CROSS JOIN b``, which ADQL writes ``a, b``."""

    adql_like_escape: bool = False
    """ADQL: take ``LIKE pattern ESCAPE 'c'``; not ADQL."""

    adql_block_comments: bool = False
    """ADQL: take comments between ``/*`` and ``*/``; ADQL has those from ``--`` to the line's end."""

    adql_boolean_literals: bool = False
    """ADQL: take TRUE and FALSE as values; ADQL compares booleans with ``'true'`` and ``'false'``."""

    adql_free_words: tuple[str, ...] = ()
    """ADQL: reserved words that may be used as names without double quotes, written ``["distance", "public"]``; none
    that ADQL cannot do without, such as select."""

    functions: Path | None = None
    """YAML file of functions that queries can call beside the stack's own (docs/operator/functions.md)."""

    simbad: bool = False
    """Offer ``ivo_simbadpoint``, which asks CDS over the network for the places of objects."""

    log_level: str = "info"
    """Least severe level that is logged: debug, info, warning, error."""

    log_file: Path | None = None
    """Where log lines (JSON) go; ``-`` is standard error. Default: ``log/vo.log`` in `home`."""

    @field_validator("base_url")
    @classmethod
    def _without_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @field_validator("database_url", "tap_database_url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        if value:
            try:
                postgresql = make_url(value).get_backend_name() in ("postgresql", "postgres")
            except (ArgumentError, ValueError):
                postgresql = False
            if not postgresql:
                raise ValueError("not a URL such as postgresql://user:password@host/database")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the environment above the file in the data folder."""
        home = init_settings().get("home") or env_settings().get("home") or default_home()
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, Path(home) / "vo.toml")

    @property
    def local_url(self) -> str:
        """URL of the service as this machine reaches it, without a trailing slash."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @cached_property
    def public_url(self) -> str:
        """URL of the service as clients see it, without a trailing slash."""
        return self.base_url or self.local_url

    @property
    def private_cluster(self) -> bool:
        """Whether the stack runs its own PostgreSQL."""
        return not self.database_url

    @property
    def socket_directory(self) -> Path:
        """Folder of the private cluster's Unix socket."""
        return self.home / "run"

    def url(self, role: str = OWNER_ROLE) -> URL:
        """Return the database URL for a role.

        Parameters
        ----------
        role : str
            `OWNER_ROLE`, `TAP_ROLE`, or (private cluster only) ``postgres``.
        """
        if self.private_cluster:
            query = {"host": str(self.socket_directory)}
            return URL.create("postgresql", username=role, database=DATABASE, query=query)
        if role == OWNER_ROLE:
            return make_url(self.database_url)
        if role == TAP_ROLE:
            if self.tap_database_url:
                return make_url(self.tap_database_url)
            return make_url(self.database_url).set(username=TAP_ROLE)
        raise ConfigurationError(f"no URL is known for the database role {role}")

    def conninfo(self, role: str = OWNER_ROLE) -> str:
        """Return the database URL for a role as libpq and psql take it, with the password."""
        address, mark, query = self.url(role).set(drivername="postgresql").render_as_string(False).partition("?")
        return address + mark + query.replace("+", "%20")  # libpq does not read a plus sign as a space

    @property
    def results_location(self) -> str:
        """Folder or URI where results of jobs are stored."""
        return self.results or str(self.home / "results")

    @property
    def scratch_folder(self) -> Path:
        """Folder for temporary files."""
        return self.scratch or self.home / "scratch"

    @property
    def log_path(self) -> Path | None:
        """File for log lines; None means standard error."""
        if self.log_file is None:
            return self.home / "log" / "vo.log"
        return None if str(self.log_file) == "-" else self.log_file


def load_settings(**overrides: Any) -> Settings:
    """Read the settings.

    Raises
    ------
    ConfigurationError
        Naming every wrong setting and where it comes from.
    """
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        wrong = "; ".join(
            f"VO_{'_'.join(str(part) for part in item['loc']).upper()}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors()
        )
        raise ConfigurationError(f"Wrong settings: {wrong}.", hint=SOURCES) from None
    except SettingsError as error:  # a list in the environment that is not JSON
        raise ConfigurationError(f"Wrong settings: {error}.", hint=f'{SOURCES} A list is written ["a", "b"].') from None
    except (ValueError, OSError) as error:  # a vo.toml that is not TOML, or closed to us
        raise ConfigurationError(f"vo.toml in VO_HOME cannot be read: {error}.") from None
    if not settings.home.is_absolute():
        settings = settings.model_copy(update={"home": settings.home.absolute()})
    return settings


def make_home(settings: Settings) -> None:
    """Make the data folder.

    Raises
    ------
    ConfigurationError
        If it cannot be made or written to.
    """
    hint = "Set VO_HOME to a folder that you may write."
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise ConfigurationError(f"VO_HOME={settings.home} is not a folder.", hint=hint) from None
    except OSError as error:
        raise ConfigurationError(f"VO_HOME={settings.home} cannot be made: {error.strerror}.", hint=hint) from None
    if not os.access(settings.home, os.W_OK | os.X_OK):
        raise ConfigurationError(f"VO_HOME={settings.home} belongs to somebody else.", hint=hint)
