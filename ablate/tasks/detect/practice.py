"""The practice of `detect`: RetinaNet on a backbone, its loss, and COCO's average precision on the test images.

Shapes: B images of this rank's part of a batch.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ablate.models.features import build_features, pyramid_levels
from ablate.recipes.scenes import DetectRecipe
from ablate.tasks import backbones
from ablate.tasks.detect.examples import Objects
from ablate.tasks.detect.metrics import Detections, average_precision
from ablate.tasks.detect.network import Predictions, RetinaNet, detect_objects, detection_loss
from ablate.tasks.detect.panel import draw_panel
from ablate.tasks.detect.source import CocoSource, EvalBatch
from ablate.tasks.scene_network import load_backbone
from ablate.training import loop
from ablate.training.determinism import Streams
from ablate.training.measure import observed_funnels
from ablate.training.practice import DivergedError, Evaluation, Setting, Tallies, Work
from ablate.trials.panels import FILE as PANEL
from ablate.trials.trial import Cost, EpochMetrics, Heartbeat, Outcome

Detected = Setting[DetectRecipe, CocoSource]


def train(
    recipe: DetectRecipe, seed: int, workdir: Path, needs: Mapping[str, Path]
) -> Iterator[Heartbeat | EpochMetrics | Outcome]:
    """Train one detection trial, see `ablate.training.loop.carry_out`.

    Raises:
        TrialError: also if the recipe has a backbone and `needs` does not, or if its weights cannot be read.
    """
    backbones.check_needs(recipe, needs)
    return loop.carry_out(Work(PRACTICE, recipe, seed, workdir, needs))


class Detection:
    """The practice of `detect`, see `ablate.training.practice.Practice`."""

    def open(self, recipe: DetectRecipe, streams: Streams) -> CocoSource:
        """Open the source of the recipe's batches, see `CocoSource`."""
        return CocoSource(recipe, streams)

    def build(self, setting: Detected) -> nn.Module:
        """Build RetinaNet; its backbone has the weights of the needed trial, or the seed's initial weights."""
        recipe, stream = setting.recipe, setting.streams.on_cpu
        levels, resolution_px = pyramid_levels(recipe.model), backbones.site_px(recipe)
        features = build_features(recipe, stream, resolution_px=resolution_px, levels=levels)
        if backbones.NAME in setting.needs:
            load_backbone(features, setting.needs[backbones.NAME])
        return RetinaNet(features, recipe, len(setting.source.train.categories), stream)

    def loss(self, setting: Detected, outputs: Predictions, targets: Sequence[Objects]) -> tuple[Tensor, Tallies]:
        """`detection_loss` over the whole batch of all ranks."""
        device, ranks = outputs.logits.device, setting.ranks
        boxes = [one.boxes.to(device) for one in targets]
        loss, count = detection_loss(outputs, boxes, [one.labels.to(device) for one in targets])
        # Gradients are averaged over the ranks, so the loss is multiplied by their number.
        return loss * ranks.count / ranks.sum(count).clamp(min=1), {}

    def summarise(self, tallies: Mapping[str, float], images: int) -> dict[str, float]:
        """No metrics other than the loss."""
        return {}

    def evaluate(self, setting: Detected, network: nn.Module) -> Generator[None, None, Evaluation]:
        """COCO's average precision, the funnels' share on the first test batch, and the panel."""
        found: list[Detections] = []
        share: dict[str, float] = {}
        yield from _detect(setting, network, found, share)
        metrics = average_precision(setting.source.test, found)
        yield
        return Evaluation(metrics, share, {PANEL: draw_panel(setting.source.test, found)})

    def count(self, setting: Detected, network: nn.Module) -> Cost:
        """Cost of the backbone, as in the paper's columns."""
        return backbones.count_backbone(setting.recipe)


PRACTICE = Detection()


@torch.inference_mode()
def _detect(
    setting: Detected, network: nn.Module, found: list[Detections], share: dict[str, float]
) -> Generator[None, None, None]:
    """Detect objects in the test images, in order."""
    for batch in setting.source.test_batches():
        with setting.autocast(), observed_funnels(network, None if found else share):
            predicted: Predictions = network(batch.inputs)
        if not (predicted.logits.isfinite().all() and predicted.offsets.isfinite().all()):
            raise DivergedError("the trained network's output is not finite on the test images")
        found += _as_stored(setting.source, batch, predicted)
        yield


def _as_stored(source: CocoSource, batch: EvalBatch, predicted: Predictions) -> list[Detections]:
    """Detections in pixels of the stored images."""
    scales = source.test.sizes[batch.indices] / batch.size  # (B, 2), height and width
    stored: list[Detections] = []
    for one, (y, x) in zip(detect_objects(predicted, *batch.size), scales.tolist(), strict=True):
        boxes, labels, scores = (tensor.cpu().numpy() for tensor in one)
        stored.append(Detections(boxes * [x, y, x, y], labels, scores))
    return stored
