"""What ends the service."""

from __future__ import annotations

import signal

import pytest

from service.serve import ending_signals


@pytest.mark.parametrize("is_ignored", [False, True])
def test_the_end_of_a_terminal_ends_the_service_unless_that_is_ignored_as_by_nohup(is_ignored: bool) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if is_ignored else signal.SIG_DFL)
    try:
        assert (signal.SIGHUP in ending_signals()) is not is_ignored
    finally:
        signal.signal(signal.SIGHUP, before)
