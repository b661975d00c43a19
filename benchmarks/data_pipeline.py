"""What data costs: drawing, augmenting and normalising a batch, as a share of a whole training step.

The miniature ResNet of `funnel_step.py`, with random bytes in the place of images; ReLU, so that the share is the
largest that a study of it can see. The two arms take turns: the pipeline alone, and a step without it. The share is
pipeline / (pipeline + step) in each round.

    python -m benchmarks.data_pipeline --rounds 60
    python -m benchmarks.data_pipeline --streamed --rounds 20

With --streamed: what ImageNet's input costs, on JPEGs of 500 x 375 textures in a temporary folder. Decoding and
augmenting a batch in one process is compared with the same through the trial's decoding process to normalised inputs
(eight batches in a row, so that images decoded in advance do not count), and with a step of the lightest network of the
paper, ShuffleNetV2 0.5x with ReLU, which needs images the fastest.

Measured on one core of a shared AMD EPYC, n = 40, three times: 2.0 % (quartiles 1.9 .. 2.2). Goal 2 %.
--streamed on two such cores under a load of 5, n = 12: 78 images/s (quartiles 72 .. 94) by one process, 1.10 (0.97 ..
1.18) times as long as decoding alone, 0.34 (0.30 .. 0.36) of the step. An image takes 3.8 ms of a CPU (1.7 to decode,
2.1 to crop and jitter, n = 96): an A100 that trains ResNet-50 in bf16 needs ten free cores.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import cross_entropy

from ablate.data.class_folders import Files, build_files
from ablate.data.datasets import describe
from ablate.models.surgery import build
from ablate.recipes.classify import ClassifyRecipe
from ablate.training.determinism import Order, Streams
from ablate.training.images.augment import augment, to_float
from ablate.training.images.streamed import Images, decode, random_crop, steps_from
from ablate.training.optim import build_optimiser
from benchmarks.funnel_step import BATCH, RESOLUTION_PX, build_step, in_worker_environment, measure, summarise

IMAGES = 10_000
FILES, FILE_PX, STREAMED_BATCH, SIDE_PX, IN_A_ROW = 96, (375, 500), 32, 224, 8
A100_IMAGES_PER_S = 2470
"""NVIDIA's published training of ResNet-50 in mixed precision on one A100 (see `ablate.study.gpu_hours`)."""


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


def write_files(folder: Path) -> Files:
    """JPEGs of coloured waves and noise, about as large as ImageNet's."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[: FILE_PX[0], : FILE_PX[1]]
    for index in range(FILES):
        waves = [np.sin(x / random.uniform(3, 40) + y / random.uniform(3, 40)) for _ in range(3)]
        pixels = 127 + 80 * np.stack(waves, axis=-1) + random.normal(0, 12, (*FILE_PX, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{index}.jpg", quality=85)
    return build_files(folder, [(f"{index}.jpg", index % 10) for index in range(FILES)])


def build_light_step() -> Callable[[], None]:
    """A step of ShuffleNetV2 0.5x with ReLU on a fixed batch of the streamed size."""
    recipe = ClassifyRecipe(model="shufflenet_v2_x0.5", activation="relu")
    network = build(recipe, 1000, SIDE_PX, Streams(0).on_cpu).network.train()
    optimiser = build_optimiser(network, recipe)
    images = torch.randn(STREAMED_BATCH, 3, SIDE_PX, SIDE_PX).contiguous(memory_format=torch.channels_last)
    labels = torch.arange(STREAMED_BATCH)

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(cross_entropy(network(images), labels))
        optimiser.step()

    return step


def measure_streamed(rounds: int) -> dict[str, tuple[float, float, float]]:
    """Images a second and ratios; each figure is taken within a round."""
    step, streams = build_light_step(), Streams(0)
    seconds: dict[str, list[float]] = {"decode": [], "stream": [], "step": []}
    with tempfile.TemporaryDirectory() as folder:
        images = Images(write_files(Path(folder)), random_crop(SIDE_PX), streams)
        order = Order(streams, FILES, STREAMED_BATCH)
        for turn in range(-1, rounds):
            took = {"decode": _seconds(lambda: images[(list(range(STREAMED_BATCH)), 0)]), "step": _seconds(step)}
            took["stream"] = _stream(images, order)
            for name, value in took.items() if turn >= 0 else ():
                seconds[name].append(value)
    rates = {f"{name}_images_per_s": [STREAMED_BATCH / one for one in values] for name, values in seconds.items()}
    pairs = {
        "stream_over_decode": zip(seconds["stream"], seconds["decode"], strict=True),
        "stream_over_step": zip(seconds["stream"], seconds["step"], strict=True),
    }
    ratios = {name: [a / b for a, b in values] for name, values in pairs.items()}
    needed = {"processes_for_an_a100": [A100_IMAGES_PER_S / one for one in rates["stream_images_per_s"]]}
    return {name: summarise(values) for name, values in {**rates, **ratios, **needed}.items()}


def _stream(images: Images, order: Order) -> float:
    """Seconds of a batch by one process, on its way to normalised inputs, once what was decoded ahead is used up."""
    info = describe("imagenet")
    requests = steps_from(0, lambda step: order.at(step).tolist(), STREAMED_BATCH, slice(None))
    batches = decode(images, requests, 1, pin=False)

    def take(count: int) -> None:
        for _ in range(count):
            to_float(next(batches)[0], info)

    take(IN_A_ROW // 2)
    seconds = _seconds(lambda: take(IN_A_ROW))
    batches.close()
    return seconds / IN_A_ROW


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def measure_in_memory(kind: str, rounds: int) -> dict[str, tuple[float, float, float]]:
    """Milliseconds of pipeline and step, and the pipeline's share."""
    times = measure({"pipeline": build_pipeline(kind), "step": build_step("relu")}, rounds)
    shares = [100 * a / (a + b) for a, b in zip(times["pipeline"], times["step"], strict=True)]
    milliseconds = {f"{name}_ms": summarise([1e3 * value for value in values]) for name, values in times.items()}
    return {**milliseconds, "share_pct": summarise(shares)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40, help="batches of each arm (default 40, at least 2)")
    parser.add_argument("--augment", default="flip", help="as in a recipe (default flip, the miniature's)")
    parser.add_argument("--streamed", action="store_true", help="measure the input of ImageNet instead")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a sentence")
    options = parser.parse_args()
    in_worker_environment()
    torch.set_num_threads(1)
    rounds = options.rounds
    result = measure_streamed(rounds) if options.streamed else measure_in_memory(options.augment, rounds)
    if options.json:
        names = ("median", "q1", "q3")
        content = {key: dict(zip(names, values, strict=True)) for key, values in result.items()}
        print(json.dumps({"n": options.rounds, **content}, indent=1))
        return
    for name, (middle, low, high) in result.items():
        print(f"{name:24} {middle:8.2f}  quartiles {low:.2f} .. {high:.2f}  n {options.rounds}")


if __name__ == "__main__":
    main()
