"""Whose fault an error is: the machine's or the task's."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ablate.trials.machine import FAULTS, describe_os_error, find_fault

HOME = Path("/srv/home")


def wrapped(cause: BaseException) -> BaseException:
    try:
        try:
            raise cause
        except BaseException as error:
            raise RuntimeError("the checkpoint was not written") from error
    except RuntimeError as error:
        return error


@pytest.mark.parametrize("number", sorted(FAULTS))
def test_a_fault_of_the_machine_is_found_wherever_it_was_met(number: int) -> None:
    error = OSError(number, os.strerror(number), "/elsewhere/file")
    for met in (error, wrapped(error)):
        found = find_fault(met, HOME)
        assert found == FAULTS[number]
        assert "/" not in found


@pytest.mark.parametrize(
    ("error", "is_fault"),
    [
        (PermissionError(errno.EACCES, "denied", str(HOME / "x")), True),
        (PermissionError(errno.EPERM, "denied", "/a", None, str(HOME / "x")), True),
        (PermissionError(errno.EACCES, "denied", "/elsewhere/x"), False),
        (PermissionError(errno.EACCES, "denied", 5), False),
        (PermissionError("by hand"), False),
        (FileNotFoundError(errno.ENOENT, "missing", str(HOME / "x")), False),
        (OSError("cannot identify image file"), False),
        (RuntimeError("No space left on device"), True),  # as torch and safetensors report a full disk
        (RuntimeError("no room"), False),
        (wrapped(ValueError("x")), False),
    ],
)
def test_other_errors_are_the_tasks(error: BaseException, is_fault: bool) -> None:
    assert (find_fault(error, HOME) is not None) == is_fault


def test_an_error_that_is_its_own_cause_has_an_end() -> None:
    error = ValueError()
    error.__cause__ = error
    assert find_fault(error, HOME) is None


def test_an_error_without_a_number_is_described_too() -> None:
    assert (
        describe_os_error(IsADirectoryError(errno.EISDIR, "Is a directory", "/srv/x"))
        == "IsADirectoryError: Is a directory"
    )
    assert describe_os_error(OSError()) == "OSError: no reason given"
