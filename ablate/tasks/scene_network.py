"""What a detector and a segmenter share: a backbone, its weights from another trial, norms that a recipe may freeze."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ablate.errors import TrialError
from ablate.models.features import Features
from ablate.recipes.scenes import SceneFields
from ablate.training.checkpoint import FILE


class SceneNetwork(nn.Module):
    """A backbone; what stands on it is the subclass's.

    Args:
        features: give the backbone.
        recipe: `freeze_norm`, which means something only where there is a `backbone` that brings norms along.

    Attributes:
        frozen: batch norms of the backbone, those of funnels too, that keep their statistics and gains.
    """

    def __init__(self, features: Features, recipe: SceneFields) -> None:
        super().__init__()
        self.backbone = features.network
        is_frozen = recipe.freeze_norm and recipe.backbone is not None
        self.frozen = [part for part in self.backbone.modules() if is_frozen and isinstance(part, nn.BatchNorm2d)]
        for norm in self.frozen:
            norm.requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        """See `nn.Module.train`; frozen normalisations stay in evaluation mode."""
        super().train(mode)
        for norm in self.frozen:
            norm.eval()
        return self


def load_backbone(features: Features, folder: Path) -> None:
    """Take the weights and statistics that a classification trial ended with, in place.

    Args:
        features: of the network that was trained there.
        folder: of the trial; holds its checkpoint.

    Raises:
        TrialError: there is no checkpoint, it is damaged, or it is of another network; the file is named.
    """
    path = folder / FILE
    weights = _read_network(path)
    own = features.network.state_dict()
    expected = own.keys() | features.left_out
    strange = sorted(expected ^ weights.keys()) or sorted(
        name for name, value in own.items() if value.shape != weights[name].shape
    )
    if strange:
        raise TrialError(
            f"{path} is of another network than {features.model} with this activation: {len(strange)} parts differ, "
            f"the first is {strange[0]}; a backbone starts from a trial of its own network, activation and placement"
        )
    features.network.load_state_dict({name: weights[name] for name in own})


def _read_network(path: Path) -> dict[str, Tensor]:
    prefix = "network."
    try:
        with safe_open(path, framework="pt") as file:
            names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118 - not a mapping
            return {name.removeprefix(prefix): file.get_tensor(name) for name in names}
    except FileNotFoundError as error:
        raise TrialError(f"{path} is missing; the backbone's weights lie there when its trial has ended") from error
    except (OSError, SafetensorError) as error:
        raise TrialError(f"{path} cannot be read, the backbone's weights should lie there: {error}") from error
