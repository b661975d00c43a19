"""What training would take on a GPU, by arithmetic: nothing here was measured by ablate.

A trial's work is the multiply-adds of one image x 3 (forward, backward to the maps, backward to the weights) x the
images it sees. It is divided by the rate at which one GPU did such work in a published training of ResNet-50 v1.5:
NVIDIA's own on one A100 80GB, 938 images/s in TF32 and 2,470 in mixed precision (DeepLearningExamples, ResNet50 v1.5
for PyTorch, container 21.03), that is 23 and 61 TFLOP/s. Depthwise convolutions, the funnels among them, small networks
and slow disks fall short of it, so read the hours as the least to expect.

A detector's image is counted as the backbone's multiply-adds at 224 px, scaled by area, and those of the pyramid's 3x3
convolutions and the heads at every place of every level. The pyramid's 1x1 convolutions (about 2 % more) are left out.
A segmenter's image likewise, its last stages on more places since they are dilated, and its heads at an eighth of its
side.
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
"""Of one A100 80GB that trains ResNet-50 v1.5, by precision; PyTorch runs the convolutions of fp32 in TF32 there."""
RESNET50 = 4_089_000_000
"""Multiply-adds of an image of 224 px, v1.5."""
COUNTED_PX = 224
"""Side of the image for which a backbone's multiply-adds are counted."""
FINEST_STRIDE: Mapping[str, int] = {"imagenet": 8, "small_s2": 4, "small": 2}
"""Of RetinaNet, by the network's stem: pixels per place of the finest level."""
LEVELS, ANCHORS = 5, 9
"""Of RetinaNet: levels, and boxes a place."""
ASPECT = 4 / 3
"""Of most of COCO's images."""
DILATED: Mapping[str, float] = {"imagenet": 4.93, "small_s2": 2.0, "small": 1.0}
"""By the network's stem: how many times its multiply-adds ResNet-50 takes once it is dilated to a stride of 8."""
OUTPUT_STRIDE = 8
"""Of PSPNet."""
RATE: Mapping[str, float] = {name: images * PASSES * RESNET50 for name, images in IMAGES_PER_S.items()}
"""Multiply-adds a second, by precision."""

BASIS = (
    "arithmetic, not a measurement: multiply-adds x 3 (forward and backward) x images seen, at the rate of one NVIDIA "
    "A100 in NVIDIA's published training of ResNet-50 (fp32 by TF32: 938 images/s, 23 TFLOP/s; bf16: 2,470 images/s, "
    "61 TFLOP/s). Funnels, small networks and slow disks take longer; a network not counted in time stands as ResNet-50"
)


def count_images(recipe: ClassifyRecipe | SceneFields) -> int:
    """Training images that a trial sees, each as often as it comes."""
    available = recipe.train_images or describe(recipe.dataset).train_images
    steps = recipe.steps or recipe.epochs * max(available // recipe.batch_size, 1)
    return steps * recipe.batch_size


def trial_gpu_hours(recipe: ClassifyRecipe | SceneFields, cost: Cost | None) -> float:
    """Hours of one A100 for the training steps of one trial, without evaluation; without a cost, of ResNet-50."""
    multiply_adds: float = cost.multiply_adds if cost else RESNET50
    if isinstance(recipe, DetectRecipe):
        multiply_adds = detector_multiply_adds(recipe, multiply_adds)
    if isinstance(recipe, SegmentRecipe):
        multiply_adds = segmenter_multiply_adds(recipe, multiply_adds)
    return multiply_adds * PASSES * count_images(recipe) / RATE[recipe.precision] / 3600


def detector_multiply_adds(recipe: DetectRecipe, backbone: float) -> float:
    """Of one image at the recipe's resolution, given those of the backbone at 224 px."""
    info = describe(recipe.dataset)
    area = (recipe.resolution_px or info.resolution_px) ** 2 * ASPECT
    channels = recipe.pyramid_channels
    places = sum(area / (FINEST_STRIDE[recipe.stem] * 2**level) ** 2 for level in range(LEVELS))
    in_heads = 2 * recipe.head_convs * 9 * channels**2 + 9 * channels * ANCHORS * (info.classes + 4)
    total: float = backbone * area / COUNTED_PX**2 + places * (in_heads + 9 * channels**2)
    return total


def segmenter_multiply_adds(recipe: SegmentRecipe, backbone: float) -> float:
    """Of one image as it is trained on, given those of the backbone, a ResNet, at 224 px."""
    last, earlier, classes = 2048 * recipe.width, 1024 * recipe.width, describe(recipe.dataset).classes
    in_heads = recipe.pyramid_channels * (9 * 2 * last + classes)
    if recipe.aux_weight:
        in_heads += earlier / 4 * (9 * earlier + classes)
    return count_pixels(recipe) * (DILATED[recipe.stem] * backbone / COUNTED_PX**2 + in_heads / OUTPUT_STRIDE**2)


def count_pixels(recipe: SegmentRecipe) -> int:
    """Pixels of a scene as it is trained on. Streets are twice as wide as they are high."""
    if recipe.augment == "scale_crop_flip" and recipe.crop_px:
        return recipe.crop_px**2
    return 2 * (recipe.resolution_px or describe(recipe.dataset).resolution_px) ** 2


def outstanding_gpu_hours(plan: Plan, costs: Mapping[str, Cost], known: Collection[str]) -> dict[str, float | None]:
    """GPU-hours of every distinct trial that is still to be trained, by key.

    Args:
        plan: whose trials.
        costs: counted, by row label.
        known: keys of the trials that have a result.

    Returns:
        None for a trial of an operator's own task.
    """
    recipes = {row.label: row.recipe for row in (*plan.rows, *plan.audits)}
    recipes |= {label: need.recipe for label, need in plan.needs.items()}
    ours = {label: one for label, one in recipes.items() if isinstance(one, ClassifyRecipe | SceneFields)}
    counted = {recipe: costs[label] for label, recipe in ours.items() if label in costs}  # audit copies by recipe
    hours: dict[str, float | None] = {}
    for label in recipes:
        each = trial_gpu_hours(ours[label], counted.get(ours[label])) if label in ours else None
        hours |= {key: each for seed in plan.seeds if (key := plan.memberships[label, seed]) not in known}
    return hours
