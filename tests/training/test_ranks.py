"""Several ranks: the numbers of one process, and no process left, however it ends. On the CPU, by gloo."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import load_file
from torch import distributed, nn
from torchvision.ops import StochasticDepth

from ablate.errors import DataError, TrialError
from ablate.recipes.classify import ClassifyRecipe
from ablate.tasks.classify.practice import train
from ablate.training.checkpoint import FILE
from ablate.training.rank_processes import RankError
from ablate.training.ranks import Ranks
from ablate.training.whole_batch import WholeBatch
from ablate.trials.trial import EpochMetrics, Outcome

pytestmark = pytest.mark.usefixtures("one_thread")

# One step an epoch, so that each step has its point of the curve. The rate is small, since a network so tiny multiplies
# a difference of rounding by ten with every step as soon as one ReLU decides otherwise.
TINY: dict[str, Any] = {
    "dataset": "digits", "width": 0.0625, "depth": [1, 1, 1, 1], "stem": "small", "stages": [2, 3], "steps": 12,
    "batch_size": 64, "train_images": 64, "test_images": 100, "schedule": "constant", "lr": 2e-4, "dropout": 0.1,
}  # fmt: skip
ROUNDING = 1e-5
SOON_S = 10.0


def tiny(**changes: Any) -> ClassifyRecipe:
    return ClassifyRecipe(**TINY | changes)


def finish(recipe: ClassifyRecipe, workdir: Path, ranks: int) -> tuple[list[float], Outcome]:
    """The training loss of each step, and the outcome."""
    messages = train(recipe, 4, workdir, ranks=ranks)
    curve, outcome = losses(messages, until=recipe.steps), next(messages)
    assert isinstance(outcome, Outcome)
    assert list(messages) == []
    return curve, outcome


def losses(messages: Iterator[Any], until: int) -> list[float]:
    """Those of the steps up to that one."""
    points = (message for message in messages if isinstance(message, EpochMetrics))
    return [next(points).metrics["train_loss"] for _ in range(until)]


def check_equal(one: Path, other: Path) -> None:
    """The same state by the same names: weights, running statistics and momentum."""
    ours, theirs = load_file(one / FILE), load_file(other / FILE)
    assert list(ours) == list(theirs)
    for name, value in ours.items():
        torch.testing.assert_close(theirs[name], value, rtol=1e-3, atol=1e-3 * float(value.abs().max()), msg=name)


def below(process: psutil.Process) -> list[psutil.Process]:
    found = process.children(recursive=True)
    return [one for one in found if "resource_tracker" not in " ".join(one.cmdline())]  # which other tests may leave


def test_two_ranks_give_the_curve_of_one_process(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    curve, outcome = finish(tiny(), tmp_path / "one", ranks=1)
    together, same = finish(tiny(), tmp_path / "two", ranks=2)
    assert together == pytest.approx(curve, rel=ROUNDING)
    assert len(curve) == 12
    assert max(curve) - min(curve) > 1000 * ROUNDING, "a wrong gradient would show"
    assert same.metrics["test_loss"] == pytest.approx(outcome.metrics["test_loss"], rel=1e-3)
    assert same.funnel_share == pytest.approx(outcome.funnel_share, rel=1e-2)
    check_equal(tmp_path / "one", tmp_path / "two")
    assert capfd.readouterr().err == ""


def test_a_trial_goes_on_with_other_ranks_norm_batch_does_not_depend_on_them_and_none_is_left(tmp_path: Path) -> None:
    recipe, parts = tiny(norm_batch=16), tmp_path / "parts"
    curve, _ = finish(recipe, tmp_path / "whole", ranks=1)
    assert curve != finish(tiny(), tmp_path / "other", ranks=1)[0]
    messages = train(recipe, 4, parts, ranks=1)
    assert losses(messages, until=3) == curve[:3]
    messages.close()
    messages = train(recipe, 4, parts, ranks=2)
    assert losses(messages, until=7) == pytest.approx(curve[:7], rel=ROUNDING)
    children = below(psutil.Process())
    messages.close()
    assert len(children) == 2
    assert not any(child.is_running() for child in children)
    went_on, _ = finish(recipe, parts, ranks=1)
    assert went_on[:3] == curve[:3], "read from the checkpoint"
    assert went_on == pytest.approx(curve, rel=ROUNDING)
    check_equal(tmp_path / "whole", parts)


def average_as(ranks: Ranks, network: nn.Module, folder: Path) -> None:
    """One of several processes that average; each has moved the statistics of its own way."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    store = f"file://{folder / 'store'}"
    distributed.init_process_group("gloo", init_method=store, rank=ranks.rank, world_size=ranks.count)
    network[1].running_mean += ranks.rank
    ranks.average_statistics(network)
    torch.save(network.state_dict(), folder / f"{ranks.rank}.pt")
    distributed.destroy_process_group()


def test_three_ranks_average_what_moved_and_leave_frozen_norms_as_they_are_to_the_last_bit(tmp_path: Path) -> None:
    network = nn.Sequential(nn.BatchNorm2d(64), nn.BatchNorm2d(64))
    for norm in network:
        norm.running_mean.uniform_(generator=torch.Generator().manual_seed(0))
    network[0].eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    context = multiprocessing.get_context("fork")
    ranks = [context.Process(target=average_as, args=(Ranks(rank, 3), network, tmp_path)) for rank in range(3)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join()
    assert [process.exitcode for process in ranks] == [0, 0, 0]
    for after in (torch.load(tmp_path / f"{rank}.pt") for rank in range(3)):
        assert all(torch.equal(after[name], value) for name, value in before.items() if name.startswith("0."))
        torch.testing.assert_close(after["1.running_mean"], before["1.running_mean"] + 1)


def test_a_rank_that_is_killed_ends_the_trial_and_the_others(tmp_path: Path) -> None:
    curve, _ = finish(tiny(norm_batch=32), tmp_path / "one", ranks=1)
    messages = train(tiny(norm_batch=32, steps=100_000), 4, tmp_path, ranks=4)
    assert losses(messages, until=5) == pytest.approx(curve[:5], rel=ROUNDING), "two ranks share their statistics"
    children = below(psutil.Process())
    assert len(children) == 4
    began = time.monotonic()
    max(children, key=lambda child: child.pid).kill()
    with pytest.raises(RankError, match=r"^rank 3 of 4 was ended by SIGKILL \(out of memory\?\)"):
        list(messages)
    assert time.monotonic() - began < SOON_S
    assert not any(child.is_running() for child in children)


def test_ranks_end_when_the_process_of_the_trial_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from ablate.recipes.classify import ClassifyRecipe\n"
        "from ablate.tasks.classify.practice import train\n"
        f"for _ in train(ClassifyRecipe(**{TINY | {'steps': 100_000}!r}), 4, Path(sys.argv[1]), ranks=2):\n"
        "    print('alive', flush=True)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"alive\n"
        children = below(psutil.Process(process.pid))
        process.send_signal(signal.SIGKILL)
    assert len(children) == 2
    assert psutil.wait_procs(children, timeout=SOON_S)[1] == []


def test_what_a_rank_raises_is_what_the_trial_raises(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"5,?000") as raised:
        list(train(tiny(train_images=5000), 4, tmp_path, ranks=2))
    assert "of 2:\nTraceback" in raised.value.__notes__[0]


def test_a_batch_that_cannot_be_divided_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(TrialError, match="a batch of 64 images cannot be divided among 3 ranks"):
        next(train(tiny(), 0, tmp_path / "w", ranks=3))
    assert not (tmp_path / "w").exists()
    with pytest.raises(TrialError, match="batch norm over 24 images does not fit a batch of 48 on 3 ranks"):
        WholeBatch(Ranks(0, 3), batch=48, group=24)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_groups_of_a_batch_are_normalised_each_by_itself(layout: torch.memory_format) -> None:
    norm, alone = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    x = torch.randn(12, 3, 5, 5, generator=torch.Generator().manual_seed(0)).to(memory_format=layout)
    with WholeBatch(Ranks(), batch=12, group=4):
        y = norm(x)
    groups, means, variances = [], [], []
    for group in x.split(4):
        alone.reset_running_stats()
        groups.append(alone(group))
        means.append(alone.running_mean.clone())
        variances.append(alone.running_var.clone())
    assert torch.equal(y, torch.cat(groups))
    assert y.stride() == x.stride()
    assert norm.num_batches_tracked == 1
    torch.testing.assert_close(norm.running_mean, torch.stack(means).mean(0))
    torch.testing.assert_close(norm.running_var, torch.stack(variances).mean(0))
    norm.eval()
    with WholeBatch(Ranks(), batch=12, group=4):
        assert torch.equal(norm(x), nn.functional.batch_norm(x, norm.running_mean, norm.running_var))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("layer", [nn.Dropout(0.3), StochasticDepth(0.5, "row")])
def test_an_image_meets_the_same_dropout_whichever_rank_it_is_on(layer: nn.Module, layout: torch.memory_format) -> None:
    x = torch.randn(12, 3, 5, 5).contiguous(memory_format=layout)
    torch.manual_seed(1)
    whole = layer(x)
    for rank in range(3):
        torch.manual_seed(1)
        with WholeBatch(Ranks(rank, 3), batch=12, group=4):
            assert torch.equal(layer(x[4 * rank : 4 * rank + 4]), whole[4 * rank : 4 * rank + 4])
