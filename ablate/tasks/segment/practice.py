"""The practice of `segment`: PSPNet on a backbone, cross entropy of pixels, and mean IU on the test scenes.

Shapes: B scenes of this rank's part of a batch, H x W pixels, K classes.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ablate.recipes.scenes import SegmentRecipe
from ablate.tasks import backbones
from ablate.tasks.scene_network import load_backbone
from ablate.tasks.segment.metrics import CLASSES, IGNORED, count_confusion, intersection_over_union
from ablate.tasks.segment.network import PSPNet, Scores, build_street_features
from ablate.tasks.segment.panel import draw_panel
from ablate.tasks.segment.source import StreetSource
from ablate.training import loop
from ablate.training.determinism import Streams
from ablate.training.measure import observed_funnels
from ablate.training.practice import DivergedError, Evaluation, Setting, Tallies, Work
from ablate.trials.panels import FILE as PANEL
from ablate.trials.panels import choose_columns
from ablate.trials.trial import Cost, EpochMetrics, Heartbeat, Outcome

Segmented = Setting[SegmentRecipe, StreetSource]


def train(
    recipe: SegmentRecipe, seed: int, workdir: Path, needs: Mapping[str, Path], ranks: int | None = None
) -> Iterator[Heartbeat | EpochMetrics | Outcome]:
    """Train one segmentation trial, see `ablate.training.loop.carry_out`.

    Raises:
        TrialError: also if the recipe has a backbone and `needs` does not, or if its weights cannot be read.
    """
    backbones.check_needs(recipe, needs)
    return loop.carry_out(Work(PRACTICE, recipe, seed, workdir, needs), ranks)


class Segmentation:
    """The practice of `segment`, see `ablate.training.practice.Practice`."""

    def open(self, recipe: SegmentRecipe, streams: Streams) -> StreetSource:
        """Open the source of the recipe's batches, see `StreetSource`."""
        return StreetSource(recipe, streams)

    def build(self, setting: Segmented) -> nn.Module:
        """Build PSPNet; its backbone has the weights of the needed trial, or the seed's initial weights."""
        recipe, stream = setting.recipe, setting.streams.on_cpu
        features = build_street_features(recipe, stream, backbones.site_px(recipe))
        if backbones.NAME in setting.needs:
            load_backbone(features, setting.needs[backbones.NAME])
        return PSPNet(features, recipe, len(CLASSES), stream)

    def loss(self, setting: Segmented, outputs: Scores, targets: Tensor) -> tuple[Tensor, Tallies]:
        """Mean cross entropy of the whole batch's labelled pixels, plus that of the auxiliary head; correct pixels."""
        is_counted = targets != IGNORED
        pixels = is_counted.sum()
        total = setting.ranks.sum(pixels.clone()).clamp(min=1)
        loss = _entropy(outputs.main, targets)
        if outputs.aux is not None:
            loss = loss + setting.recipe.aux_weight * _entropy(outputs.aux, targets)
        right = (outputs.main.detach().argmax(1) == targets) & is_counted
        return loss * setting.ranks.count / total, {"right": right.sum(), "pixels": pixels}

    def summarise(self, tallies: Mapping[str, float], images: int) -> dict[str, float]:
        """Pixel accuracy on augmented training scenes, in per cent."""
        return {"train_pixel_accuracy_pct": 100 * tallies["right"] / max(tallies["pixels"], 1)}

    def evaluate(self, setting: Segmented, network: nn.Module) -> Generator[None, None, Evaluation]:
        """Mean IU, IU per class, pixel accuracy, loss, the funnels' share on the first test batch, and the panel."""
        found = Evaluated(setting)
        yield from found.collect(network)
        return Evaluation(found.metrics(), found.share, {PANEL: draw_panel(found.shown)})

    def count(self, setting: Segmented, network: nn.Module) -> Cost:
        """Cost of the backbone, as in the paper's columns."""
        return backbones.count_backbone(setting.recipe)


PRACTICE = Segmentation()


class Evaluated:
    """Results of a trained network on the test scenes.

    Args:
        setting: setting of the trial.

    Attributes:
        confusion: (K, K + 1), see `count_confusion`.
        loss: sum of the cross entropy of labelled pixels.
        share: see `Outcome.funnel_share`.
        shown: image, truth and prediction of each scene in the panel.
    """

    def __init__(self, setting: Segmented) -> None:
        self.setting = setting
        self.confusion: NDArray[np.int64] = np.zeros((len(CLASSES), len(CLASSES) + 1), dtype=np.int64)
        self.loss = 0.0
        self.share: dict[str, float] = {}
        self.shown: list[tuple[Tensor, Tensor, Tensor]] = []

    @torch.inference_mode()
    def collect(self, network: nn.Module) -> Iterator[None]:
        """Add up over the test scenes, batch by batch. Classes that no training scene has are never predicted."""
        setting = self.setting
        is_trained = setting.source.find_trained().to(setting.streams.device)
        columns, first = set(choose_columns(len(setting.source.test.pairs))), 0
        for inputs, truth in setting.source.test_batches():
            with setting.autocast(), observed_funnels(network, None if first else self.share):
                logits = network(inputs).main.float()
            logits = F.interpolate(logits, size=truth.shape[-2:], mode="bilinear", align_corners=False)
            if not logits.isfinite().all():
                raise DivergedError("the trained network's output is not finite on the test scenes")
            self.loss += float(_entropy(logits, truth))
            predicted = logits.masked_fill(~is_trained[:, None, None], -torch.inf).argmax(1)  # (B, H, W)
            self.confusion += count_confusion(truth.cpu().numpy(), predicted.cpu().numpy())
            for place in sorted(columns & set(range(first, first + len(truth)))):
                image = setting.source.test.read(place)[0]
                self.shown.append((image, truth[place - first].cpu(), predicted[place - first].cpu()))
            first += len(truth)
            yield

    def metrics(self) -> dict[str, float]:
        """`mean_iu_pct`, `iu_CLASS_pct` of each class that occurs, `pixel_accuracy_pct` and `test_loss`."""
        pixels = int(self.confusion.sum())
        union = intersection_over_union(self.confusion)
        accuracy = 100 * float(self.confusion.diagonal().sum()) / pixels
        return {**union, "pixel_accuracy_pct": accuracy, "test_loss": self.loss / pixels}


def _entropy(logits: Tensor, truth: Tensor) -> Tensor:
    """Sum of the cross entropy of the labelled pixels of (B, K, H, W), () of float."""
    return F.cross_entropy(logits.float(), truth, ignore_index=IGNORED, reduction="sum")
