"""What a row trains in effect: equal for two recipes of the same training, however they are written.

A trial's key must never join two trainings, so it contains the recipe as it is written. A try must not be hidden by
another spelling, so its digest contains the recipe in effect: a registered folder by its content, an installed task by
the name of its code, a network by its channels and sites, and a length of training by its steps.

Limits: the channels of torchvision's and timm's networks are unknown here, and the number of images in a registered
folder. Numbers are compared to six digits, so a learning rate of 0.1001 is another one than 0.1.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from ablate.data.datasets import find_in_catalog
from ablate.data.info import DatasetInfo
from ablate.documents import canonical_json
from ablate.errors import TrialError
from ablate.recipes.classify import ActivationFields, NetworkFields, TrainingFields, identity_of
from ablate.recipes.scenes import SceneFields
from ablate.recipes.shapes import SHAPES, Place, channels_at_sites, count_groups, family_of, scaled
from ablate.trials.needs import Blueprint, build_blueprint
from ablate.trials.registry import BUILT_IN, get_task

PINNED = re.compile(r"[A-Za-z0-9._-]+(@[0-9a-f]{16})")
"""Name of a registered folder, with the fingerprint of its content."""
ONLY_SPEED = ("channels_last",)
"""Fields that change the speed, and numbers only by rounding."""
NEGLIGIBLE = 1e-9
"""A number below this counts as 0."""


def effective_digest(blueprint: Blueprint) -> str:
    """32 hexadecimal digits that are equal for trials of the same training, apart from seed and replicate."""
    return hashlib.sha256(canonical_json({"v": 1, **_content(blueprint)}).encode()).hexdigest()[:32]


def digest_of_stored(task: str, values: Mapping[str, Any]) -> str | None:
    """The same of the recipe in a stored trial; None if this machine has no such task, or it refuses the recipe."""
    try:
        named = get_task(task)
        recipe = named.task.Recipe.model_validate_json(canonical_json(values))
        return effective_digest(build_blueprint(named, recipe))
    except (TrialError, ValidationError):
        return None


def _content(blueprint: Blueprint) -> dict[str, Any]:
    task, given = blueprint.task, vars(blueprint.recipe)
    numbers = {name: _number(value) for name, value in given.items() if isinstance(value, float)}
    recipe = blueprint.recipe.model_copy(update=numbers)  # so that what is nearly the default is left out like it
    values = effective_values(recipe) if task.name in BUILT_IN else _plain(identity_of(recipe))
    needs = {name: _content(need) for name, need in blueprint.needs.items()}
    own = {name: value for name, value in values.items() if name not in needs}
    return {"task": task.origin or task.name, "recipe": own, "needs": needs}


def effective_values(recipe: BaseModel) -> dict[str, Any]:
    """A recipe of a built-in task in effect, as JSON values; defaults are left out."""
    changes: dict[str, Any] = {}
    if isinstance(recipe, TrainingFields | SceneFields):
        changes |= _training(recipe)
    if isinstance(recipe, NetworkFields):
        changes |= _network(recipe)
    recipe = recipe.model_copy(update=changes)
    values = {name: value for name, value in identity_of(recipe).items() if name not in ONLY_SPEED}
    if isinstance(recipe, ActivationFields):
        values = _with_sites(recipe, values)
    return {name: _plain(value) for name, value in values.items()}


def _training(recipe: TrainingFields | SceneFields) -> dict[str, Any]:
    """0 in place of the size of a whole data set, and steps in place of epochs, where the data set is known."""
    info = _info(recipe)
    whole = {"train_images": info.train_images, "test_images": info.test_images} if info else {}
    changes: dict[str, Any] = {name: 0 for name, available in whole.items() if getattr(recipe, name) == available}
    count = recipe.train_images or whole.get("train_images", recipe.batch_size)
    changes["batch_size"] = min(recipe.batch_size, count)
    if isinstance(recipe, TrainingFields) and recipe.norm_batch == changes["batch_size"]:
        changes["norm_batch"] = 0
    if recipe.train_images or info:
        changes |= _steps(recipe, max(count // recipe.batch_size, 1))
    return changes


def _steps(recipe: TrainingFields | SceneFields, per_epoch: int) -> dict[str, Any]:
    steps = recipe.steps or recipe.epochs * per_epoch
    if isinstance(recipe, SceneFields):
        return {"steps": steps}
    return {"steps": steps, "warmup_epochs": min(round(recipe.warmup_epochs * per_epoch), steps - 1) / per_epoch}


def _info(recipe: BaseModel) -> DatasetInfo | None:
    """What is known of a recipe's data set on every machine, so without registered folders."""
    found = find_in_catalog(getattr(recipe, "dataset", ""))
    return found.info if found else None


def _network(recipe: NetworkFields) -> dict[str, Any]:
    info, changes = _info(recipe), dict[str, Any]()
    if info and recipe.resolution_px == info.resolution_px:
        changes["resolution_px"] = 0
    if recipe.model.startswith("timm/"):
        changes["model"] = recipe.model.partition(".")[0]  # the rest names pretrained weights, which are never used
    if recipe.model.startswith("mobilenet") and recipe.stem == "small_s2":
        changes["stem"] = "imagenet"  # neither has a pooling there
    return changes


def _with_sites(recipe: ActivationFields, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a recipe; of our own networks with channels, blocks and sites in place of the fields for them."""
    has_groups = recipe.activation == "frelu" and recipe.norm in ("ln", "in", "gn")
    if not recipe.is_own:
        is_layer_norm = has_groups and recipe.norm == "gn" and recipe.norm_groups == 1
        return _without("norm_groups", values) | {"norm": "ln"} if is_layer_norm else dict(values)
    shape = SHAPES[recipe.model]
    channels, depth = tuple(scaled(count, recipe.width) for count in shape.channels), recipe.depth or shape.depth
    sites = channels_at_sites(recipe.model, channels, depth)
    found = {**values, "model": family_of(recipe.model), "width": channels, "depth": depth}
    if recipe.se:
        found["se_ratio"] = [max(1, count // recipe.se_ratio) for count in sorted(set().union(*sites.values()))]
    if recipe.activation == "relu":
        return found
    chosen = [place for place in sorted(sites) if _is_selected(recipe, place)]
    found = _without("layers", found) | {"stages": chosen}
    if has_groups:
        counts = sorted({count for place in chosen for count in sites[place]})
        found = _without("norm_groups", found) | {"norm": [(count, _groups(recipe, count)) for count in counts]}
    return found


def _without(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in values.items() if field != name}


def _is_selected(recipe: ActivationFields, place: Place) -> bool:
    stage, kind = place
    return (recipe.stages == "all" or stage in recipe.stages) and (recipe.layers == "all" or kind in recipe.layers)


def _groups(recipe: ActivationFields, channels: int) -> int:
    return {"ln": 1, "in": channels}.get(recipe.norm) or count_groups(channels, recipe.norm_groups)


def _plain(value: Any) -> Any:
    """JSON values in one spelling: numbers to six digits, and a registered folder by its fingerprint alone."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, str):
        pinned = PINNED.fullmatch(value)
        return pinned[1] if pinned else value
    return _number(value) if isinstance(value, float) else value


def _number(value: float) -> float | int:
    short = 0.0 if abs(value) < NEGLIGIBLE else float(f"{value:.6g}")
    return int(short) if short.is_integer() else short
