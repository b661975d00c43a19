"""An estimate of the GPU-hours of training. It is arithmetic: ablate measured nothing for it.

The work of a trial is the multiply-adds of one image x 3 (forward, gradients of the maps, gradients of the weights) x
the number of images it sees. The work is divided by the rate of one GPU in a published training of ResNet-50 v1.5:
NVIDIA's own on one A100 80GB, 938 images/s in TF32 and 2,470 in mixed precision (DeepLearningExamples, ResNet50 v1.5
for PyTorch, container 21.03), which is 23 and 61 TFLOP/s. Depthwise convolutions (and therefore funnels), small
networks and slow disks do not reach this rate, so the hours are a lower bound.

The work for a detector's image is the backbone's multiply-adds at 224 px, scaled by area, plus those of the pyramid's
3x3 convolutions and of the heads at every position of every level. The pyramid's 1x1 convolutions (about 2 % more) are
not counted. A segmenter's image is counted in the same way: its dilated stages have more positions, and its heads work
at an eighth of the image's side.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ablate.data.datasets import describe
from ablate.recipes.classify import ClassifyRecipe
from ablate.recipes.scenes import DetectRecipe, SceneFields, SegmentRecipe
from ablate.study.plan import Plan
from ablate.trials.trial import Cost

PASSES = 3
IMAGES_PER_S: Mapping[str, float] = {"fp32": 938.0, "bf16": 2470.0}
"""Precision -> images/s of one A100 80GB that trains ResNet-50 v1.5; fp32 convolutions run in TF32 there."""
RESNET50 = 4_089_000_000
"""Multiply-adds of ResNet-50 v1.5 for an image of 224 px."""
COUNTED_PX = 224
"""Side, in pixels, of the image for which a backbone's multiply-adds are counted."""
FINEST_STRIDE: Mapping[str, int] = {"imagenet": 8, "small_s2": 4, "small": 2}
"""Stem of the network -> stride of RetinaNet's finest level, in pixels."""
LEVELS, ANCHORS = 5, 9
"""RetinaNet's levels, and its anchors per position."""
ASPECT = 4 / 3
"""Width / height of most of COCO's images."""
DILATED: Mapping[str, float] = {"imagenet": 4.93, "small_s2": 2.0, "small": 1.0}
"""Stem of the network -> factor by which dilation to a stride of 8 multiplies ResNet-50's multiply-adds."""
OUTPUT_STRIDE = 8
"""Output stride of PSPNet, in pixels."""
RATE: Mapping[str, float] = {name: images * PASSES * RESNET50 for name, images in IMAGES_PER_S.items()}
"""Precision -> multiply-adds per second."""

BASIS = (
    "arithmetic, not a measurement: multiply-adds x 3 (forward and backward) x images seen, at the rate of one NVIDIA "
    "A100 in NVIDIA's published training of ResNet-50 (fp32 by TF32: 938 images/s, 23 TFLOP/s; bf16: 2,470 images/s, "
    "61 TFLOP/s). Funnels, small networks and slow disks take longer; a network not yet counted is taken as ResNet-50"
)


def count_images(recipe: ClassifyRecipe | SceneFields) -> int:
    """Training images that a trial sees, counted once per pass."""
    available = recipe.train_images or describe(recipe.dataset).train_images
    steps = recipe.steps or recipe.epochs * max(available // recipe.batch_size, 1)
    return steps * recipe.batch_size


def trial_gpu_hours(recipe: ClassifyRecipe | SceneFields, cost: Cost | None) -> float:
    """Hours of one A100 for the training steps of one trial, without evaluation; no cost means that of ResNet-50."""
    multiply_adds: float = cost.multiply_adds if cost else RESNET50
    if isinstance(recipe, DetectRecipe):
        multiply_adds = detector_multiply_adds(recipe, multiply_adds)
    if isinstance(recipe, SegmentRecipe):
        multiply_adds = segmenter_multiply_adds(recipe, multiply_adds)
    return multiply_adds * PASSES * count_images(recipe) / RATE[recipe.precision] / 3600


def detector_multiply_adds(recipe: DetectRecipe, backbone: float) -> float:
    """Multiply-adds of one image at the recipe's resolution, given those of the backbone at 224 px."""
    info = describe(recipe.dataset)
    area = (recipe.resolution_px or info.resolution_px) ** 2 * ASPECT
    channels = recipe.pyramid_channels
    places = sum(area / (FINEST_STRIDE[recipe.stem] * 2**level) ** 2 for level in range(LEVELS))
    in_heads = 2 * recipe.head_convs * 9 * channels**2 + 9 * channels * ANCHORS * (info.classes + 4)
    total: float = backbone * area / COUNTED_PX**2 + places * (in_heads + 9 * channels**2)
    return total


def segmenter_multiply_adds(recipe: SegmentRecipe, backbone: float) -> float:
    """Multiply-adds of one training image, given those of the backbone, a ResNet, at 224 px."""
    last, earlier, classes = 2048 * recipe.width, 1024 * recipe.width, describe(recipe.dataset).classes
    in_heads = recipe.pyramid_channels * (9 * 2 * last + classes)
    if recipe.aux_weight:
        in_heads += earlier / 4 * (9 * earlier + classes)
    return count_pixels(recipe) * (DILATED[recipe.stem] * backbone / COUNTED_PX**2 + in_heads / OUTPUT_STRIDE**2)


def count_pixels(recipe: SegmentRecipe) -> int:
    """Pixels of a training image; street scenes are twice as wide as high."""
    if recipe.augment == "scale_crop_flip" and recipe.crop_px:
        return recipe.crop_px**2
    return 2 * (recipe.resolution_px or describe(recipe.dataset).resolution_px) ** 2


def outstanding_gpu_hours(plan: Plan, costs: Mapping[str, Cost], known: Collection[str]) -> dict[str, float | None]:
    """Estimate the GPU-hours of every distinct trial that remains to be trained.

    Args:
        plan: the plan.
        costs: row name -> counted cost.
        known: keys of the trials that have a result.

    Returns:
        Key -> GPU-hours; None for a trial of a task that is not built in.
    """
    recipes = {row.name: row.recipe for row in (*plan.rows, *plan.audits)}
    recipes |= {label: need.recipe for label, need in plan.needs.items()}
    ours = {label: one for label, one in recipes.items() if isinstance(one, ClassifyRecipe | SceneFields)}
    counted = {
        recipe: costs[label] for label, recipe in ours.items() if label in costs
    }  # audit rows share the recipe of their baseline
    hours: dict[str, float | None] = {}
    for label in recipes:
        each = trial_gpu_hours(ours[label], counted.get(ours[label])) if label in ours else None
        hours |= {key: each for seed in plan.seeds if (key := plan.memberships[label, seed]) not in known}
    return hours
