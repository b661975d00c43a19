from __future__ import annotations

import asyncio
import errno
import json
from typing import Any

import pytest

from service.context import Context, make_context
from service.dispatch.interface import DispatcherError
from service.errors import ConflictError, UnavailableError
from service.faults import boundary
from service.faults.boundary import MARK
from service.faults.work import Work
from service.running import faults as calls

WORK = Work("notice", "7:url", "notice 7")


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture(autouse=True)
def _without_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boundary, "WAITS_S", (0.0, 0.0))


def fail(context: Context, work: Work = WORK, error: BaseException | None = None) -> list[str]:
    """Try the work once; it raises. Returns the reasons with which it was given up."""
    given_up: list[str] = []
    if not context.faults.is_set_aside(work):
        with context.faults.boundary(work, give_up=given_up.append):
            raise error or ZeroDivisionError("division by zero")
    return given_up


def listed(context: Context) -> list[Any]:
    return calls.list_faults(context, stuck=None, limit=10, cursor=None).items


def test_work_is_tried_three_times_and_then_set_aside(context: Context, caplog: pytest.LogCaptureFixture) -> None:
    assert fail(context) == fail(context) == []
    (reason,) = fail(context)
    (fault,) = listed(context)
    assert reason == f"ended with an internal error, reported as {fault.number}; the service's log has the traceback"
    assert (fault.work, fault.error, fault.tries, fault.stuck) == (
        "notice 7", "ZeroDivisionError: division by zero", 3, True,
    )  # fmt: skip
    assert context.faults.is_set_aside(WORK)
    assert caplog.text.count("Traceback") == 3
    assert (
        f"reported as {fault.number} (try 3 of 3, set aside; `ablate retry {fault.number}` tries it again)"
        in caplog.text
    )


def test_a_restart_continues_to_count(context: Context) -> None:
    fail(context)
    again = make_context(context.settings, context.store)
    fail(again)
    assert fail(make_context(context.settings, context.store)) != []
    assert make_context(context.settings, context.store).faults.is_set_aside(WORK)


def test_the_waits_between_tries_grow(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [100.0]
    monkeypatch.setattr(boundary, "WAITS_S", (2.0, 10.0))
    monkeypatch.setattr(boundary.time, "monotonic", lambda: now_s[0])
    due_s = []
    for _ in range(2):
        fail(context)
        start_s = now_s[0]
        while context.faults.is_set_aside(WORK):
            now_s[0] += 0.5
        due_s.append(now_s[0] - start_s)
    assert due_s == [2.0, 10.0]


def test_work_that_succeeds_is_forgotten(context: Context) -> None:
    fail(context)
    with context.faults.boundary(WORK):
        pass
    assert listed(context) == []


@pytest.mark.parametrize(
    "error", [UnavailableError("away"), DispatcherError("Ray is gone"), KeyboardInterrupt(), asyncio.CancelledError()]
)
def test_what_is_not_an_error_of_the_work_passes(context: Context, error: BaseException) -> None:
    with pytest.raises(type(error)):
        fail(context, error=error)
    assert listed(context) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EMFILE, errno.EDQUOT, errno.EIO])
def test_an_error_of_the_surroundings_is_not_charged_to_the_work(context: Context, number: int) -> None:
    (context.settings.home / "trials").touch()  # where a folder should be: the disk cannot be written
    with pytest.raises(UnavailableError, match=r"disk|file|many|cannot") as away:
        fail(context, error=OSError(number, "words of the system", "/secret/path"))
    assert away.value.part == "disk"
    assert "/secret" not in str(away.value)
    assert listed(context) == []


def test_an_error_of_the_system_that_the_state_directory_does_not_have_is_one_of_the_work(context: Context) -> None:
    for _ in range(3):
        fail(context, error=OSError(errno.EIO, "words of the system", "/another/disk"))
    (fault,) = listed(context)
    assert fault.stuck


@pytest.mark.parametrize("error", [SystemExit(3), RecursionError(), MemoryError(), AssertionError("x")])
def test_anything_else_ends_here(context: Context, error: BaseException) -> None:
    fail(context, error=error)
    assert len(listed(context)) == 1


def test_a_fault_is_kept_in_memory_while_the_database_cannot_be_written(
    context: Context, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise UnavailableError("the database cannot be written")

    context.faults.is_set_aside(WORK)
    monkeypatch.setattr(boundary.stored, "record_fault", refuse)
    fail(context)
    assert "could not be stored" in caplog.text
    monkeypatch.undo()
    monkeypatch.setattr(boundary, "WAITS_S", (0.0, 0.0))
    fail(context)
    assert listed(context)[0].tries == 2


def test_a_service_that_dies_of_its_work_tries_it_three_times_too(context: Context) -> None:
    work = Work("table", "1", "the table of the study")
    mark = context.settings.home / MARK
    with context.faults.boundary(work):
        dying = mark.read_text()
    assert not mark.exists()
    for _ in range(3):
        mark.write_text(dying)
        restarted = make_context(context.settings, context.store)
        restarted.faults.count_death()
        assert not mark.exists()
    given_up: list[str] = []
    restarted.faults.attempt(work, lambda: pytest.fail("it is tried"), given_up.append)
    (fault,) = listed(context)
    assert (fault.tries, fault.error) == (3, "DiedError: the service died during this work")
    assert fault.number in given_up[0]


def test_a_damaged_mark_is_ignored(context: Context) -> None:
    (context.settings.home / MARK).write_text(json.dumps([1])[:1])
    context.faults.count_death()
    assert listed(context) == []


def test_an_answer_that_raises_is_a_conflict_with_one_number_and_one_traceback(
    context: Context, caplog: pytest.LogCaptureFixture
) -> None:
    texts = set()
    for _ in range(3):
        with pytest.raises(ConflictError) as refused, context.faults.answering(Work("plot", "1", "the plot 'seeds'")):
            raise ZeroDivisionError
        texts.add(str(refused.value))
    (text,) = texts
    assert text.startswith("the plot 'seeds' ended with an internal error, reported as E-")
    assert caplog.text.count("Traceback") == 1


def test_a_retry_by_another_process_is_noticed(context: Context) -> None:
    for _ in range(3):
        fail(context)
    assert context.faults.is_set_aside(WORK)
    other = make_context(context.settings, context.store)
    calls.retry_fault(other, listed(context)[0].number)
    assert not context.faults.is_set_aside(WORK)
