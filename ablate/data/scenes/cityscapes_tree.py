"""Scenes as a Cityscapes tree: `leftImg8bit/SPLIT/CITY/` and `gtFine/SPLIT/CITY/`, with label and instance ids.

Classes of garments: `ablate.data.scenes.garments.KINDS`; of textures: `ablate.data.scenes.street`. Together they are 11
of the 19 classes that are trained on. The other eight do not occur.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ablate.data.scenes.compose import Filling, Laid, lay
from ablate.data.scenes.folder import SceneFolder
from ablate.data.scenes.garments import KINDS, Wardrobe
from ablate.data.scenes.recipes import SceneRecipe
from ablate.data.scenes.street import BONNET, draw_bonnet, draw_street

FILLING = Filling(most=10, empty_in=50, sizes=((7, 13), (14, 25), (26, 44)), weights=(2, 2, 1))
CITIES = {"train": "weimar", "val": "ulm"}
"""One folder per split; Cityscapes' own splits have different cities, too."""
WITH_INSTANCES = (24, 25, 26)
"""Label ids with numbered instances in Cityscapes, among those of garments: person, rider, car."""


def add_scene(
    folder: SceneFolder, recipe: SceneRecipe, split: str, number: int, wardrobe: Wardrobe, rng: np.random.Generator
) -> None:
    """Compose one scene and write its three images."""
    bonnet_px = recipe.height_px // BONNET
    image, labels, horizon = draw_street(rng, recipe.height_px - bonnet_px, recipe.width_px)
    laid = lay(image, wardrobe, FILLING.draw(rng), rng, horizon=horizon)
    below, below_labels = draw_bonnet(rng, bonnet_px, recipe.width_px)
    for one in laid:
        labels[one.visible] = KINDS[one.kind].city_label
    instances = _number_instances(labels, laid)
    city = CITIES[split]
    place = f"{split}/{city}/{city}_{number:06d}_000019"
    folder.add_image(f"leftImg8bit/{place}_leftImg8bit.png", np.concatenate([image, below]).astype(np.uint8))
    folder.add_image(f"gtFine/{place}_gtFine_labelIds.png", np.concatenate([labels, below_labels]))
    ids = np.concatenate([instances, below_labels.astype(np.uint16)])
    folder.add_image(f"gtFine/{place}_gtFine_instanceIds.png", ids)


def _number_instances(labels: NDArray[np.uint8], laid: list[Laid]) -> NDArray[np.uint16]:
    """Label ids; for instances, label id x 1000 + number."""
    instances, counts = labels.astype(np.uint16), dict.fromkeys(WITH_INSTANCES, 0)
    for one in laid:
        label = KINDS[one.kind].city_label
        if label in counts:
            instances[one.visible] = label * 1000 + counts[label]
            counts[label] += 1
    return instances
