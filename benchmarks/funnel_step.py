"""What a funnel costs: a training step with it over the same step with ReLU, and the maximum alone.

The network is the miniature ResNet of `scales.mini` (width 0.125, one block a stage, 3x3 stem of stride 2, 28 x 28
images, batch 128, channels_last, one thread), with FReLU after every layer of stages 2-4. Arms take turns step by
step, so that a busy machine slows all of them; the ratio is taken within each round.

    python -m benchmarks.funnel_step --rounds 60

Measured on one core of a shared AMD EPYC, n = 40, over ReLU: FReLU 1.41 (quartiles 1.34 .. 1.48), with torch.maximum
1.91 (1.80 .. 1.99).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ablate.activations import Funnel, maximum
from ablate.models.surgery import build
from ablate.recipes.classify import ClassifyRecipe
from ablate.training.determinism import Streams
from ablate.training.optim import build_optimiser
from ablate.workers.environment import WORKER_ENVIRONMENT

BATCH, RESOLUTION_PX, CLASSES = 128, 28, 10
Figures = dict[str, float | int]


class TorchMaximum(nn.Module):
    """A funnel with torch's own maximum."""

    def __init__(self, funnel: Funnel) -> None:
        super().__init__()
        self.funnel = funnel

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        return torch.maximum(x, self.funnel.condition(x))


def mini_recipe(activation: str) -> ClassifyRecipe:
    """The recipe of the miniature network."""
    fields = {"model": "resnet50", "width": 0.125, "depth": [1, 1, 1, 1], "stem": "small_s2", "batch_size": BATCH}
    training = {"dataset": "fashion-mnist", "lr": 0.2, "nesterov": True, "label_smoothing": 0.1}
    return ClassifyRecipe.model_validate({**fields, **training, "activation": activation})


def build_step(activation: str, *, torch_maximum: bool = False) -> Callable[[], None]:
    """One optimiser step on a fixed batch: forward, loss, backward, SGD."""
    recipe = mini_recipe(activation)
    network: nn.Module = build(recipe, CLASSES, RESOLUTION_PX, Streams(0).on_cpu).network
    if torch_maximum:
        for path in [path for path, part in network.named_modules() if isinstance(part, Funnel)]:
            network.set_submodule(path, TorchMaximum(network.get_submodule(path)))  # type: ignore[arg-type]
    network = network.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload, unused-ignore]
    optimiser = build_optimiser(network, recipe)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(BATCH, 3, RESOLUTION_PX, RESOLUTION_PX, generator=generator)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(CLASSES, (BATCH,), generator=generator)

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(cross_entropy(network(images), labels, label_smoothing=recipe.label_smoothing))
        optimiser.step()

    return step


def plain_mask(x: Tensor, t: Tensor) -> Tensor:
    """The maximum with the obvious backward, for comparison."""
    result: Tensor = _PlainMask.apply(x, t)
    return result


class _PlainMask(torch.autograd.Function):
    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor, t: Tensor) -> Tensor:
        ctx.save_for_backward(x >= t)
        return torch.maximum(x, t)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, grad: Tensor) -> tuple[Tensor, Tensor]:
        (wins,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return grad.masked_fill(~wins, 0), grad.masked_fill(wins, 0)


Operator = Callable[[Tensor, Tensor], Tensor]

OPERATORS: dict[str, Operator] = {
    "relu": lambda x, t: x.relu(),
    "maximum": maximum,
    "mask, masked_fill": plain_mask,
    "torch.maximum": torch.maximum,
}


def build_operator(function: Operator, channels: int) -> Callable[[], None]:
    """Forward and backward of a maximum on (128, C, 14, 14)."""
    generator = torch.Generator().manual_seed(0)
    x, t, grad = (
        torch.randn(BATCH, channels, 14, 14, generator=generator).contiguous(memory_format=torch.channels_last)
        for _ in range(3)
    )
    inputs = (x.requires_grad_(), t.requires_grad_())

    def step() -> None:
        torch.autograd.grad(function(*inputs), inputs, grad, allow_unused=True)

    return step


def measure(arms: Mapping[str, Callable[[], None]], rounds: int, warm_up: int = 3) -> dict[str, list[float]]:
    """Seconds of each arm in each round; arms take turns within a round."""
    times: dict[str, list[float]] = {name: [] for name in arms}
    for turn in range(warm_up + rounds):
        for name, step in arms.items():
            began = time.perf_counter()
            step()
            if turn >= warm_up:
                times[name].append(time.perf_counter() - began)
    return times


def summarise(values: Sequence[float]) -> tuple[float, float, float]:
    """Median, first and third quartile."""
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return middle, low, high


def figures(times: Mapping[str, list[float]], against: str) -> dict[str, Figures]:
    """For each arm its milliseconds, and its ratio to one of them in the same round, each with its quartiles."""
    table: dict[str, Figures] = {}
    for name, seconds in times.items():
        ms, ms_low, ms_high = summarise([1e3 * value for value in seconds])
        ratio, low, high = summarise([a / b for a, b in zip(seconds, times[against], strict=True)])
        table[name] = {
            "n": len(seconds), "ms": ms, "ms_q1": ms_low, "ms_q3": ms_high,
            "ratio": ratio, "ratio_q1": low, "ratio_q3": high,
        }  # fmt: skip
    return table


def in_worker_environment() -> None:
    """Start this script again with one thread and the workers' settings of malloc, which must precede the process."""
    wanted = {**WORKER_ENVIRONMENT, "OMP_NUM_THREADS": "1"}
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        os.execve(sys.executable, sys.orig_argv, {**os.environ, **wanted})


def show(title: str, table: Mapping[str, Figures]) -> None:
    """Print a table for people."""
    print(f"\n{title}\n{'':32}{'n':>4}{'ms, median':>12}{'quartiles':>18}{'ratio':>8}{'quartiles':>16}")
    for name, row in table.items():
        spread = f"{row['ms_q1']:.2f} .. {row['ms_q3']:.2f}"
        ratios = f"{row['ratio_q1']:.2f} .. {row['ratio_q3']:.2f}"
        print(f"{name:32}{row['n']:>4}{row['ms']:>12.2f}{spread:>18}{row['ratio']:>8.2f}{ratios:>16}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40, help="steps of each arm (default 40, at least 2)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args()
    in_worker_environment()
    torch.set_num_threads(1)
    arms = {
        "ReLU": build_step("relu"),
        "FReLU": build_step("frelu"),
        "FReLU, torch.maximum": build_step("frelu", torch_maximum=True),
    }
    result = {"training step": figures(measure(arms, options.rounds), "ReLU")}
    for channels in (8, 32, 64):
        arms = {name: build_operator(operator, channels) for name, operator in OPERATORS.items()}
        result[f"maximum alone, C = {channels}"] = figures(measure(arms, options.rounds), "relu")
    if options.json:
        print(json.dumps(result, indent=1))
        return
    for title, table in result.items():
        show(title, table)


if __name__ == "__main__":
    main()
