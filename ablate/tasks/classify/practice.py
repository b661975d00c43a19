"""The practice of `classify`: labelled images, cross entropy, and errors on the test images.

Shapes: N images of this rank's part of a batch.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ablate.data.datasets import pin
from ablate.models.cost import count_cost
from ablate.models.surgery import build
from ablate.recipes.classify import ClassifyRecipe, architecture_of
from ablate.tasks.classify.source import ImageSource, open_source
from ablate.training import loop
from ablate.training.determinism import Streams
from ablate.training.measure import observed_funnels
from ablate.training.practice import DivergedError, Evaluation, Setting, Tallies, Work
from ablate.training.ranks import ALONE, Ranks
from ablate.trials.items import MAX_ITEMS, Items
from ablate.trials.trial import Cost, EpochMetrics, Heartbeat, Outcome

Classified = Setting[ClassifyRecipe, ImageSource]


def train(
    recipe: ClassifyRecipe, seed: int, workdir: Path, ranks: int | None = None
) -> Iterator[Heartbeat | EpochMetrics | Outcome]:
    """Train one classification trial, see `ablate.training.loop.carry_out`."""
    return loop.carry_out(Work(PRACTICE, recipe, seed, workdir), ranks)


def prepare(recipe: ClassifyRecipe, streams: Streams, ranks: Ranks = ALONE) -> Classified:
    """Open the setting of a trial, see `ablate.training.loop.prepare`."""
    return loop.prepare(PRACTICE, recipe, streams, ranks=ranks)


class Classification:
    """The practice of `classify`, see `ablate.training.practice.Practice`."""

    def open(self, recipe: ClassifyRecipe, streams: Streams) -> ImageSource:
        """Open the source of the recipe's batches, see `open_source`."""
        return open_source(recipe, streams)

    def build(self, setting: Classified) -> nn.Module:
        """Build the recipe's network with its activation at the selected sites."""
        classes = setting.source.info.classes
        return build(setting.recipe, classes, _resolution_px(setting), setting.streams.on_cpu).network

    def loss(self, setting: Classified, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tallies]:
        """Cross entropy of logits (N, classes) with labels (N,), and the number of wrong images."""
        loss = cross_entropy(outputs.float(), targets, label_smoothing=setting.recipe.label_smoothing)
        return loss, {"errors": (outputs.detach().argmax(1) != targets).sum()}

    def summarise(self, tallies: Mapping[str, float], images: int) -> dict[str, float]:
        """Top-1 error on augmented training images, in per cent."""
        return {"train_top1_error_pct": 100 * tallies["errors"] / images}

    def evaluate(self, setting: Classified, network: nn.Module) -> Generator[None, None, Evaluation]:
        """`top1_error_pct`, `top5_error_pct`, `test_loss`, each image's correctness, and the funnels' share."""
        tested = _Tested()
        yield from _test(setting, network, tested)
        labels, is_correct = (torch.cat(parts).cpu().numpy() for parts in (tested.labels, tested.is_correct))
        count = len(labels)
        metrics = {
            "top1_error_pct": 100 * int((~is_correct).sum()) / count,
            "top5_error_pct": 100 * tested.top5_errors / count,
            "test_loss": tested.loss / count,
        }
        items = Items.pack(pin(setting.recipe.dataset), labels, is_correct) if count <= MAX_ITEMS else None
        return Evaluation(metrics, tested.share, items=items)

    def count(self, setting: Classified, network: nn.Module) -> Cost:
        """Cost of the network, counted once per process for trials that differ only in seed and training."""
        architecture = architecture_of(setting.recipe).model_dump_json()
        if architecture not in _costs:
            _costs[architecture] = count_cost(network, _resolution_px(setting))
        return _costs[architecture]


PRACTICE = Classification()
_costs: dict[str, Cost] = {}


def _resolution_px(setting: Classified) -> int:
    return setting.recipe.resolution_px or setting.source.info.resolution_px


@dataclass(slots=True)
class _Tested:
    """Labels and correctness of each batch of test images, (N,) each; sums over all; the first batch's share."""

    labels: list[Tensor] = field(default_factory=list)
    is_correct: list[Tensor] = field(default_factory=list)
    top5_errors: int = 0
    loss: float = 0.0
    share: dict[str, float] = field(default_factory=dict)


@torch.inference_mode()
def _test(setting: Classified, network: nn.Module, tested: _Tested) -> Iterator[None]:
    """Add the test images to `tested`, batch by batch."""
    for inputs, labels in setting.source.test_batches():
        with setting.autocast(), observed_funnels(network, None if tested.labels else tested.share):
            logits = network(inputs).float()  # (N, classes)
        if not logits.isfinite().all():
            raise DivergedError("the trained network's output is not finite on the test images")
        best = logits.topk(min(5, logits.shape[1]), dim=1).indices == labels[:, None]
        tested.labels.append(labels)
        tested.is_correct.append(best[:, 0])
        tested.top5_errors += int((~best.any(1)).sum())
        tested.loss += float(cross_entropy(logits, labels, reduction="sum"))
        yield
