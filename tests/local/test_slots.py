"""Workers on the GPUs of a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablate.errors import TrialError
from ablate.local.slots import slots
from ablate.study.resources import Resources
from ablate.training.determinism import check_promised_gpus
from ablate.trials import gpus


def test_workers_are_placed_on_the_gpus_that_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "DEVICES", devices(tmp_path, 4))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3")
    assert [slot["CUDA_VISIBLE_DEVICES"] for slot in slots(Resources(gpus=0.5), None)] == ["0", "3", "0", "3"]
    assert [slot["CUDA_VISIBLE_DEVICES"] for slot in slots(Resources(), 2)] == ["", ""]
    (both,) = slots(Resources(gpus=2.0), None)
    assert (both["CUDA_VISIBLE_DEVICES"], both["ABLATE_TRIAL_GPUS"]) == ("0,3", "2")
    text = r"asks for 4 GPUs per trial; this machine shows 2 \(CUDA_VISIBLE_DEVICES is '0,3'\); set gpus"
    with pytest.raises(TrialError, match=text):
        slots(Resources(gpus=4.0), None)


@pytest.mark.parametrize("value", ["", "-1", "NoDevFiles", "void", "2", "GPU-5eed", "MIG-5eed", "0,0", " ", "1,-1,0"])
def test_what_hides_gpus_from_cuda_hides_them_here(value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "DEVICES", devices(tmp_path, 0))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    with pytest.raises(TrialError, match="asks for 1 GPU per trial; this machine shows 0"):
        slots(Resources(gpus=1.0), None)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ["0", "1"]),
        ("1", ["1"]),
        ("1,-1,0", ["1"]),
        ("0, 1", ["0", "1"]),
        ("0,2,1", ["0"]),
        ("0,0", []),
        ("-1", []),
        ("void", []),
        ("GPU-aaaa", ["GPU-aaaa"]),
        ("GPU-bbbb-2,1", ["GPU-bbbb-2", "1"]),
        ("GPU-cccc", []),
        ("MIG-dddd", ["MIG-dddd"]),
    ],
)
def test_visible_gpus_are_those_that_cuda_shows(
    value: str | None, shown: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpus, "DEVICES", devices(tmp_path, 2))
    monkeypatch.setattr(gpus, "DRIVER", tmp_path / "driver")
    for number, uuid in enumerate(("GPU-aaaa-1", "GPU-bbbb-2")):
        (tmp_path / "driver" / str(number)).mkdir(parents=True)
        (tmp_path / "driver" / str(number) / "information").write_text(f"Model: \t H200\nGPU UUID: \t {uuid}\n")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if value is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert gpus.visible_gpus() == shown


def test_a_trial_that_was_promised_a_gpu_and_finds_none_is_not_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    check_promised_gpus()
    monkeypatch.setenv("ABLATE_TRIAL_GPUS", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    text = r"promised 1 GPU, and torch finds 0 \(CUDA_VISIBLE_DEVICES is '7'\); it is not trained on the CPU instead"
    with pytest.raises(TrialError, match=text):
        check_promised_gpus()


def devices(folder: Path, count: int) -> Path:
    """A folder of devices with so many GPUs."""
    (folder / "dev").mkdir()
    for name in ("nvidiactl", "nvidia-uvm", *(f"nvidia{number}" for number in range(count))):
        (folder / "dev" / name).touch()
    return folder / "dev"


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
