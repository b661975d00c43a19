"""Workers on the GPUs of a machine."""

from __future__ import annotations

import pytest

from ablate.errors import TrialError
from ablate.local.slots import slots
from ablate.study.document import Resources


def test_workers_are_placed_on_the_gpus_that_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3")
    assert [slot["CUDA_VISIBLE_DEVICES"] for slot in slots(Resources(gpus=0.5), None)] == ["0", "3", "0", "3"]
    assert [slot["CUDA_VISIBLE_DEVICES"] for slot in slots(Resources(), 2)] == ["", ""]
    assert [slot["CUDA_VISIBLE_DEVICES"] for slot in slots(Resources(gpus=2.0), None)] == ["0,3"]
    with pytest.raises(TrialError, match="asks for gpus = 4 per trial, and this machine has 2"):
        slots(Resources(gpus=4.0), None)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(TrialError, match="this machine has 0"):
        slots(Resources(gpus=1.0), None)


@pytest.mark.parametrize("workers", [0, -1, 1.5, "2"])
def test_a_wrong_number_of_workers_is_refused(workers: object) -> None:
    with pytest.raises(TrialError, match=r"workers is .*; give a whole number from 1 on"):
        slots(Resources(), workers)  # type: ignore[arg-type]


def test_workers_inherit_everything_but_secrets_unless_they_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "WANDB_API_KEY", "EDITOR", "ABLATE_NOTIFY_URL"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("ABLATE_TASK_ENV", "WANDB_API_KEY")
    (slot,) = slots(Resources(), 1)
    assert {name for name, value in slot.items() if value is None} >= {"HF_TOKEN", "ABLATE_NOTIFY_URL"}
    assert not slot.keys() & {"WANDB_API_KEY", "EDITOR", "PATH"}
