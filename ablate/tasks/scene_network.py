"""Shared by detector and segmenter: a backbone, its weights from another trial, and frozen norms."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ablate.errors import TrialError
from ablate.models.features import Features
from ablate.recipes.scenes import SceneFields
from ablate.training.checkpoint import AVERAGE, FILE


class SceneNetwork(nn.Module):
    """A network with a backbone; subclasses add the heads.

    Args:
        features: the backbone.
        recipe: recipe; `freeze_norm` is read, which applies only with a trained `backbone`.

    Attributes:
        frozen: batch norms of the backbone, including those of funnels, whose statistics and weights do not change.
    """

    def __init__(self, features: Features, recipe: SceneFields) -> None:
        super().__init__()
        self.backbone = features.network
        is_frozen = recipe.freeze_norm and recipe.backbone is not None
        norms = [module for module in self.backbone.modules() if isinstance(module, nn.BatchNorm2d)]
        self.frozen = norms if is_frozen else []
        for norm in self.frozen:
            norm.requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        """Set the mode, see `nn.Module.train`; frozen norms stay in evaluation mode."""
        super().train(mode)
        for norm in self.frozen:
            norm.eval()
        return self


def load_backbone(features: Features, folder: Path) -> None:
    """Load the final weights and statistics of a classification trial, in place.

    Args:
        features: feature extractor of the trial's network.
        folder: folder of the trial, with its checkpoint.

    Raises:
        TrialError: the checkpoint is missing or damaged, or belongs to another network; the message names the file.
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
            f"{path} belongs to another network than {features.model} with this activation: {len(strange)} tensors "
            f"differ, the first is {strange[0]}; use a trial with the same network, activation, stages and layers"
        )
    features.network.load_state_dict({name: weights[name] for name in own})


def _read_network(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = list(file.keys())
            is_averaged = any(name.startswith(AVERAGE) for name in tensors)
            prefix = f"{AVERAGE}module." if is_averaged else "network."  # what was tested
            names = [name for name in tensors if name.startswith(prefix)]
            return {name.removeprefix(prefix): file.get_tensor(name) for name in names}
    except FileNotFoundError as error:
        raise TrialError(f"{path} is missing; the backbone's trial writes it") from error
    except (OSError, SafetensorError) as error:
        raise TrialError(f"{path}, with the backbone's weights, cannot be read: {error}") from error
