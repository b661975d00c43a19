"""The database itself: its schema, what it refuses, what it survives."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from ablate.trials.trial import FIRST
from service.errors import UnavailableError
from service.store import schema, session
from service.store.lock import held
from service.store.session import Store
from service.store.studies import get_study
from service.store.tables import metadata


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    with closing(Store(database_url)) as store:
        schema.upgrade(store)
        yield store


@pytest.fixture
def file_store(sqlite_url: str) -> Iterator[Store]:
    with closing(Store(sqlite_url)) as store:
        schema.upgrade(store)
        yield store


def test_the_migrations_make_the_tables_that_the_code_uses(store: Store) -> None:
    with store.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_upgrading_twice_changes_nothing(store: Store) -> None:
    schema.upgrade(store)


def test_what_was_stored_before_there_were_schedules_stays_as_it_was(database_url: str) -> None:
    with closing(Store(database_url)) as store:
        config = Config()
        config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
        with store.write() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "0001")
            columns = (
                "id, name, title, state, priority, replicate, document, registrations, warnings, costs, created_at"
            )
            values = "'a', 'old', '', 'queued', 0, 0, '{}', '[]', '[]', '{}', '2026-01-01 00:00:00'"
            connection.execute(text(f"INSERT INTO studies ({columns}) VALUES ({values})"))
        schema.upgrade(store)
        with store.read() as connection:
            found = get_study(connection, "a")
    assert (found.repetition, found.schedule) == (FIRST, None)


def test_a_database_of_a_newer_version_is_refused(store: Store) -> None:
    with store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(UnavailableError, match="schema 9999"):
        schema.upgrade(store)


def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    def fail_half_way() -> None:
        with store.write() as connection:
            connection.execute(text("INSERT INTO costs (architecture, answer) VALUES ('a', '{}')"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    with store.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM costs")).scalar_one() == 0


def test_the_version_tells_that_something_was_written(store: Store) -> None:
    before = store.version
    with store.write() as connection:
        connection.execute(text("INSERT INTO costs (architecture, answer) VALUES ('a', '{}')"))
    assert store.version == before + 1


def test_a_damaged_file_is_refused(file_store: Store, sqlite_url: str) -> None:
    with file_store.write() as connection:
        for number in range(200):
            values = {"name": str(number), "answer": "x" * 500}
            connection.execute(text("INSERT INTO costs VALUES (:name, :answer)"), values)
    file_store.close()
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4096] = b"\xff" * 4096
    path.write_bytes(content)
    with closing(Store(sqlite_url)) as damaged, pytest.raises(UnavailableError, match="damaged"):
        damaged.check()


def test_a_commit_is_synced_and_readers_cannot_write(file_store: Store) -> None:
    with file_store.write() as connection:
        assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
    with pytest.raises(UnavailableError, match="its file cannot be written"), file_store.read() as connection:
        connection.execute(text("DELETE FROM costs"))


def test_a_statement_that_no_database_takes_is_an_error_of_ours(store: Store) -> None:
    deep = f"SELECT {'+'.join(['1'] * 100_000)}"
    for transaction in (store.read, store.write):
        with pytest.raises(OperationalError, match=r"stack|tree"), transaction() as connection:
            connection.execute(text(deep))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda url: url.set(port=1), "nothing listens at its address"),
        (lambda url: url.set(host="nowhere.invalid"), "its host is not known"),
        (lambda url: url.set(database="nothing"), "it has no such database or user"),
        (lambda url: url.set(username="nobody-of-this-name"), "it has no such database or user"),
    ],
    ids=["port", "host", "database", "user"],
)
def test_a_database_that_cannot_be_reached_is_explained(
    postgres_url: str, change: Callable[[URL], URL], reason: str
) -> None:
    url = change(make_url(postgres_url).set(password="hush")).render_as_string(hide_password=False)
    with pytest.raises(UnavailableError, match=reason) as refused, closing(Store(url)) as store, store.read():
        pass
    assert "hush" not in str(refused.value)


def test_a_database_that_is_read_only_for_a_while_is_away_and_comes_back(postgres_url: str) -> None:
    name = make_url(postgres_url).database

    def fail_over(value: str) -> None:
        """As the change to another server: it ends every connection."""
        url = make_url(postgres_url).set(database="postgres")
        engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with engine.connect() as admin:
            admin.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = {value}"))
            end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
            admin.execute(text(end), {"name": name})

    with closing(Store(postgres_url)) as store:
        schema.upgrade(store)
        fail_over("on")
        with (
            pytest.raises(UnavailableError, match="it is read-only, as during a failover"),
            store.write() as connection,
        ):
            connection.execute(text("DELETE FROM studies"))
        with store.read() as connection:
            assert connection.execute(text("SELECT count(*) FROM studies")).scalar_one() == 0
        fail_over("off")
        with store.write() as connection:
            connection.execute(text("DELETE FROM studies"))


def test_an_option_that_postgresql_does_not_know_is_refused() -> None:
    with pytest.raises(UnavailableError, match="ABLATE_DATABASE_URL has an option after"):
        Store("postgresql+psycopg://u:hush@h/db?nosuch=1")


def test_one_process_at_a_time_holds_a_database(database_url: str) -> None:
    script = "import sys; from service.store.lock import held\nwith held(sys.argv[1]): print('held')"
    with held(database_url):
        second = subprocess.run([sys.executable, "-c", script, database_url], capture_output=True, text=True)
    assert second.returncode == 1
    assert "another" in second.stderr
    third = subprocess.run([sys.executable, "-c", script, database_url], capture_output=True, text=True)
    assert third.stdout == "held\n", third.stderr


def break_connections(url: str) -> None:
    """As a restart of PostgreSQL does."""
    with closing(Store(url)) as store, store.read() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = :n"
            ),
            {"n": store.url.database},
        )


def test_the_lock_is_taken_again_after_its_connection_broke(postgres_url: str) -> None:
    with held(postgres_url) as lock:
        lock.keep()
        break_connections(postgres_url)
        lock.keep()
        with pytest.raises(UnavailableError, match="another scheduler"), held(postgres_url):
            pass


def test_a_lock_that_another_took_in_between_is_not_kept(postgres_url: str) -> None:
    with held(postgres_url) as lock:
        break_connections(postgres_url)
        with held(postgres_url):
            for _ in range(2):
                with pytest.raises(UnavailableError, match="another scheduler"):
                    lock.keep()
        lock.keep()
        with pytest.raises(UnavailableError, match="another scheduler"), held(postgres_url):
            pass


def test_a_process_that_was_killed_holds_no_database(sqlite_url: str) -> None:
    script = (
        "import signal, sys; from service.store.lock import held\n"
        "with held(sys.argv[1]): print('held', flush=True); signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", script, sqlite_url], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(UnavailableError, match=rf"another ablate service \(pid {holder.pid}\)"), held(sqlite_url):
            pass
        holder.kill()
        holder.wait()
        with held(sqlite_url):
            assert Path(f"{sqlite_url.removeprefix('sqlite:///')}.lock").read_text() == str(os.getpid())


def test_processes_that_start_together_make_one_schema(postgres_url: str) -> None:
    barrier = threading.Barrier(4)

    def start() -> None:
        with closing(Store(postgres_url)) as store:
            barrier.wait()
            schema.upgrade(store)

    with ThreadPoolExecutor(4) as pool:
        for started in [pool.submit(start) for _ in range(4)]:
            started.result(timeout=60)
    with closing(Store(postgres_url)) as store, store.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM alembic_version")).scalar_one() == 1


def test_a_write_inside_a_write_is_an_error_and_not_a_deadlock(file_store: Store) -> None:
    with file_store.write(), pytest.raises(RuntimeError, match="inside a write"), file_store.write():
        pass
    with file_store.write():
        pass


def test_a_write_does_not_wait_for_another_for_ever(file_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "LOCK_S", 0.01)
    refusals: list[str] = []

    def write() -> None:
        try:
            with file_store.write():
                pass
        except UnavailableError as error:
            refusals.append(str(error))

    with file_store.write():
        thread = threading.Thread(target=write)
        thread.start()
        thread.join(20)
    assert refusals == ["the database cannot be written (other writes take too long); nothing was stored"]
