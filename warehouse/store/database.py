"""Open the operational store: engines, short transactions, migrations.

SQLite settings: WAL, so that readers never wait for the writer; synchronous=FULL, so that acknowledged
commits survive a power cut; BEGIN IMMEDIATE for writers, because a read transaction that starts to write
fails immediately with "database is locked" instead of waiting.
"""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import threading
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from filelock import FileLock
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DatabaseError, SQLAlchemyError
from sqlalchemy.orm import Session
from ulid import ULID

from warehouse.errors import SetupError
from warehouse.postgres import SET_SERVER, choose_timeouts
from warehouse.store.changes import ChangeCounter
from warehouse.store.crypto import Cipher, load_next_secret, load_secret
from warehouse.store.migrations import migrate, newest_revision, read_revision, require_current

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine.interfaces import DBAPIConnection, IsolationLevel
    from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

    from warehouse.settings import WarehouseSettings

__all__ = ["Connection", "Session", "Store", "new_id"]
"""With Connection and Session, for annotations in modules that do not import the driver."""

LASTING_KEYS, PREVIOUS_SECRET = "lasting-keys", "previous-secret"
"""Purposes under which the store keeps what outlives a rotation of the secret."""
BUSY_TIMEOUT_MS = 30_000
"""Longer than the longest wait measured for a writer on a saturated SQLite (15 s)."""


_OWN_NAMES = (
    *(
        "secret.key",
        "secret.key.new",
        "socialflow.sqlite*",
        "processes.json",
        "*.lock",
        "lake",
        "media",
        "logs",
        "prefect",
        "tmp",
    ),
)
"""Our own files and folders in a home folder. A folder without access protects everything in it."""


class Store:
    """The operational store of one process. Thread-safe."""

    def __init__(self, engine: Engine, writer: Engine, cipher: Cipher) -> None:
        self._engine = engine
        self._writer = writer
        # SQLite allows one writer at a time, and waiting writers sleep up to 100 ms between attempts. Within one
        # process a lock hands over immediately: 32 clients that create posts are served several times as fast.
        self._turn: AbstractContextManager[object] = nullcontext()
        if engine.dialect.name == "sqlite":
            self._turn = threading.RLock()
        self._change_counter = ChangeCounter.open(engine)
        # As of now: the program's files may be replaced while this process runs.
        self._revision = newest_revision()
        self.cipher = cipher

    @classmethod
    def open(cls, settings: WarehouseSettings, *, create: bool = True) -> Self:
        """Open the store. With `create` it is created or migrated under a lock; else it must exist and be current.

        Raises SetupError: an unusable folder or URL, a wrong secret key, a damaged store, or a store of a newer
        version; without `create` also if there is no store or it is of an older version.
        """
        if create:
            _prepare_home(settings)
        else:
            _require_files(settings)
        secret = load_secret(settings)
        engine, writer = create_engines(settings.resolved_database_url)
        try:
            # On SQLite BEGIN IMMEDIATE would be enough, but switching a new file to WAL fails under contention.
            if create:
                with FileLock(settings.home / "migrate.lock", timeout=120):
                    migrate(engine, writer)
                shut_home(settings.home)  # again: the database file exists now
            else:
                require_current(engine)
            cipher = _open_cipher(engine, writer, settings, secret)
        except sqlite3.Error as error:  # from the settings of a new connection: not wrapped by SQLAlchemy
            engine.dispose()
            raise SetupError(_describe_damage(settings, str(error))) from error
        except DatabaseError as error:
            engine.dispose()
            # The driver's message may contain the URL with its password: show only the class of the error.
            shown = make_url(settings.resolved_database_url).render_as_string(hide_password=True)
            raise SetupError(_describe_damage(settings, driver_reason(error), shown)) from error
        except SetupError:
            engine.dispose()
            raise
        return cls(engine, writer, cipher)

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Yield a session in one write transaction: commit at the end, roll back on an error."""
        with self._turn, Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Yield a session that reads one consistent state and never waits for a writer."""
        with Session(self._engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def read_statements(self, *, one_state: bool = False) -> Iterator[Connection]:
        """Yield a connection for reading with few round trips.

        On PostgreSQL each statement reads a state of its own, unless `one_state`: that takes a BEGIN and a ROLLBACK. On
        SQLite all read the same state.
        """
        if self.dialect == "sqlite":
            with self._engine.connect() as connection:
                yield connection
            return
        level: IsolationLevel = "REPEATABLE READ" if one_state else "AUTOCOMMIT"
        with self._engine.connect() as connection:
            yield connection.execution_options(isolation_level=level)

    def change_mark(self) -> int | None:
        """Return a number that changes when any process commits a change to the store.

        Takes microseconds on SQLite. None on PostgreSQL, which has no such number at that cost: callers must not
        cache what they read.
        """
        return self._change_counter.read() if self._change_counter else None

    def is_outdated(self, session: Session) -> bool:
        """Return whether another version has migrated the store since it was opened: this process must end then."""
        return read_revision(session) != self._revision

    @contextmanager
    def upkeep(self) -> Iterator[Callable[[str], Any]]:
        """Yield a function that runs a statement and returns its first value. On SQLite: outside any transaction."""
        connection = self._engine.raw_connection()
        try:
            cursor = connection.cursor()

            def run(statement: str) -> Any:  # noqa: ANN401 (any value of the database)
                cursor.execute(statement)
                row = cursor.fetchone() if cursor.description else None
                return row[0] if row else None

            yield run
            connection.commit()
        finally:
            connection.close()

    @property
    def dialect(self) -> str:
        """'sqlite' or 'postgresql'."""
        return self._engine.dialect.name

    @property
    def file(self) -> Path | None:
        """The database file; None for a server or an in-memory database."""
        path = self._engine.url.database
        if self.dialect != "sqlite" or not path or path == ":memory:":
            return None
        return Path(path)

    @property
    def folder(self) -> Path | None:
        """The folder of the database's file."""
        return self.file and self.file.parent

    @property
    def reads_at_once(self) -> bool:
        """Whether a read by key is faster than starting a thread: true for a file, false over a network."""
        return self.dialect == "sqlite"

    @staticmethod
    def new_id(prefix: str) -> str:
        """Return a new id such as 'post_01j...': sorts by time, with a prefix for its kind."""
        return new_id(prefix)

    def close(self) -> None:
        """Close all connections."""
        if self._change_counter:
            self._change_counter.close()
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def new_id(prefix: str) -> str:
    """Return a new prefixed ULID in lower case."""
    return f"{prefix}_{str(ULID()).lower()}"


def _require_files(settings: WarehouseSettings) -> None:
    """Raise SetupError if opening would create a new store or key in place of a lost one."""
    url = settings.resolved_database_url
    path = Path(url.removeprefix("sqlite:///"))
    if url.startswith("sqlite:///") and not (path.is_file() and path.stat().st_size):
        raise SetupError(
            f"there is no store at {url}: create one with `socialflow up`, or restore a lost one from a backup"
        )
    key = settings.home / "secret.key"
    if settings.secret_key is None and settings.secret_key_file is None and not key.is_file():
        raise SetupError(
            f"the key file {key} is missing: restore it from a backup; without it no account can be used"
        )


def _prepare_home(settings: WarehouseSettings) -> None:
    try:
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        reason = error.strerror or error
        raise SetupError(f"cannot use SOCIALFLOW_HOME={settings.home}: {reason}") from error
    if not os.access(settings.home, os.W_OK | os.X_OK):
        raise SetupError(f"SOCIALFLOW_HOME={settings.home} cannot be written: choose another folder")
    shut_home(settings.home)


def shut_home(home: Path) -> None:
    """Remove other users' access to our files in the home folder, and to the folder itself if it holds only ours.

    A folder that existed before is often readable by all users. A folder that others need, such as /tmp or a user's
    home, keeps its mode; our files in it are protected anyway.
    """
    if os.name != "posix":
        return
    ours = [path for name in _OWN_NAMES for path in home.glob(name)]
    is_shared = home in {Path.home(), Path(home.anchor)} or home.stat().st_mode & stat.S_ISVTX
    for path in [*ours, *([] if is_shared else [home])]:
        with suppress(FileNotFoundError):  # a journal file that another process has just removed
            status = path.lstat()
            if status.st_uid == os.geteuid() and status.st_mode & 0o077 and not stat.S_ISLNK(status.st_mode):
                path.chmod(stat.S_IMODE(status.st_mode) & 0o700)


def create_engines(url: str) -> tuple[Engine, Engine]:
    """Return the engines for reading and for writing; they share their connections."""
    try:
        parsed = make_url(url)
    except SQLAlchemyError:
        raise SetupError("SOCIALFLOW_DATABASE_URL is not a URL such as sqlite:///file") from None
    if parsed.get_backend_name() == "postgresql":
        # pre_ping: a server restart must not fail the first statement after it.
        engine = create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_pre_ping=True,
            pool_size=10,
            connect_args=choose_timeouts(parsed.query),
        )

        @event.listens_for(engine.pool, "connect")
        def _on_postgres_connect(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
            connection.cursor().execute(SET_SERVER)
            connection.commit()

        return engine, engine
    if parsed.get_backend_name() != "sqlite":
        raise SetupError(f"SOCIALFLOW_DATABASE_URL names {parsed.drivername}: use sqlite or postgresql")
    # More connections than the process has threads, so that no thread and no event loop waits for a connection.
    reader = create_engine(
        parsed, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000}, pool_size=20, max_overflow=100
    )
    writer = create_engine(parsed, pool=reader.pool)

    @event.listens_for(reader.pool, "connect")
    def _on_connect(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        raw: sqlite3.Connection = connection  # type: ignore[assignment]  # the driver is pysqlite here
        raw.isolation_level = None  # we send BEGIN ourselves, below
        raw.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute("PRAGMA synchronous=FULL")
        raw.execute("PRAGMA foreign_keys=ON")

    # Not with the event "begin": an engine with any listener checks for listeners around every statement.
    reader.dialect.do_begin = _begin("BEGIN")  # type: ignore[assignment,method-assign]  # pysqlite's own does nothing
    writer.dialect.do_begin = _begin("BEGIN IMMEDIATE")  # type: ignore[assignment,method-assign]  # same
    return reader, writer


def _begin(statement: str) -> Callable[[PoolProxiedConnection], None]:
    def do_begin(connection: PoolProxiedConnection) -> None:
        connection.cursor().execute(statement)

    return do_begin


def _open_cipher(engine: Engine, writer: Engine, settings: WarehouseSettings, secret: str) -> Cipher:
    """Return the cipher of the store. Raises SetupError for another secret key, before anything is sent or saved."""
    cipher = Cipher(secret)
    # Read first: nearly every start finds it, and a full disk must not keep commands from reading.
    with engine.connect() as connection:
        known = connection.execute(text("SELECT secret_fingerprint FROM instance WHERE id = 1")).scalar()
    if known is None:
        known = _write_fingerprint(writer, cipher)
    if known != cipher.fingerprint and settings.secret_key is None and settings.secret_key_file is None:
        # A rotation was interrupted between its commit and the change of the file.
        begun = load_next_secret(settings)
        secret, cipher = (secret, cipher) if begun is None else (begun, Cipher(begun))
    if known != cipher.fingerprint:
        raise SetupError(
            "the secret key is not the one this store was created with: set SOCIALFLOW_SECRET_KEY (or restore "
            "secret.key in the home folder) to the old value, or after `socialflow secrets rotate` to the new one; "
            "nothing was changed"
        )
    with engine.connect() as connection:
        row = connection.execute(
            text("SELECT lasting_keys, previous_secret FROM instance WHERE id = 1")
        ).one()
    lasting: dict[str, str] = {}
    if row.lasting_keys is not None:
        lasting = json.loads(cipher.decrypt_text(LASTING_KEYS, bytes(row.lasting_keys)))
    previous = None
    if row.previous_secret is not None:
        previous = cipher.decrypt_text(PREVIOUS_SECRET, bytes(row.previous_secret))
    kept = {purpose: bytes.fromhex(key) for purpose, key in lasting.items()}
    return Cipher(secret, lasting=kept, previous=previous)


def _write_fingerprint(writer: Engine, cipher: Cipher) -> str:
    with writer.begin() as connection:
        insert = text(
            "INSERT INTO instance (id, secret_fingerprint) VALUES (1, :fingerprint) "
            "ON CONFLICT (id) DO NOTHING"
        )
        connection.execute(insert, {"fingerprint": cipher.fingerprint})
        known: str = connection.execute(
            text("SELECT secret_fingerprint FROM instance WHERE id = 1")
        ).scalar_one()
    return known


def _describe_damage(settings: WarehouseSettings, reason: str, shown: str | None = None) -> str:
    remedy = ""
    if "not a database" in reason or "malformed" in reason:
        remedy = ": the file is damaged; restore it from a backup (nothing was changed)"
    elif "full" in reason:
        remedy = ": free space on the disk"
    return f"cannot use the store at {shown or settings.resolved_database_url}: {reason}{remedy}"


def driver_reason(error: DatabaseError) -> str:
    """Return the first line of the driver's own message; that of a server names user and host, no password."""
    first_line = str(error.orig).splitlines()[0] if error.orig else type(error).__name__
    return first_line[:200]
