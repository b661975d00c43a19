"""What data costs: drawing, augmenting and normalising a batch, as a share of a whole training step.

The miniature ResNet of `funnel_step.py`, with random bytes in the place of images; ReLU, so that the share is the
largest that a study of it can see. The two arms take turns: the pipeline alone, and a step without it. The share is
pipeline / (pipeline + step) in each round.

    python -m benchmarks.data_pipeline --rounds 60

Measured on one core of a shared AMD EPYC, n = 40, three times: 2.0 % (quartiles 1.9 .. 2.2). Goal 2 %.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable

import torch

from ablate.datasets import describe
from ablate.training.augment import augment, to_float
from benchmarks.funnel_step import BATCH, RESOLUTION_PX, build_step, in_worker_environment, measure, summarise

IMAGES = 10_000


def build_pipeline(kind: str) -> Callable[[], None]:
    """From the order of images to a network's input, for one batch."""
    info = describe("fashion-mnist")
    generator = torch.Generator().manual_seed(0)
    shape = (IMAGES, info.channels, RESOLUTION_PX, RESOLUTION_PX)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    order = torch.randperm(IMAGES, generator=generator)[:BATCH]

    def pipeline() -> None:
        to_float(augment(images[order], kind, generator), info)

    return pipeline


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40, help="batches of each arm (default 40, at least 2)")
    parser.add_argument("--augment", default="flip", help="as in a recipe (default flip, the miniature's)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a sentence")
    options = parser.parse_args()
    in_worker_environment()
    torch.set_num_threads(1)
    arms = {"pipeline": build_pipeline(options.augment), "step": build_step("relu")}
    times = measure(arms, options.rounds)
    shares = [100 * a / (a + b) for a, b in zip(times["pipeline"], times["step"], strict=True)]
    milliseconds = {name: summarise([1e3 * value for value in values]) for name, values in times.items()}
    result = {"pipeline_ms": milliseconds["pipeline"], "step_ms": milliseconds["step"], "share_pct": summarise(shares)}
    if options.json:
        names = ("median", "q1", "q3")
        content = {key: dict(zip(names, values, strict=True)) for key, values in result.items()}
        print(json.dumps({"n": options.rounds, **content}, indent=1))
        return
    for name, (middle, low, high) in result.items():
        print(f"{name:12} {middle:8.2f}  quartiles {low:.2f} .. {high:.2f}  n {options.rounds}")


if __name__ == "__main__":
    main()
