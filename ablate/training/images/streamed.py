"""Images that worker processes decode during training.

The augmentation of an image depends only on the trial's seed and on the image's position in the whole training: not on
the number of processes, on the step at which they start, or on the requested part of the batch. Shapes: B images of a
batch, side S in pixels. torchvision is imported when it is used, since its import takes as long as torch's.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import count
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ablate.data.class_folders import Files
from ablate.data.images import read_image
from ablate.errors import DataError
from ablate.machine.resources import usable_cpus
from ablate.training.determinism import Streams

JITTER = 0.4
"""Maximum relative change of brightness, contrast and saturation."""
EVAL_SCALE = 256 / 224
"""Short side of a resized test image, as a multiple of the side of its centre crop."""
AHEAD = 2
"""Batches that each process decodes in advance."""

Transform = Callable[[Image.Image], Tensor]
Request = tuple[list[int], int | None]
"""Indices of files, and the position of the first in the whole training; None for no random augmentation."""


def random_crop(side: int) -> Transform:
    """ImageNet's augmentation: random resized crop, mirroring, and jitter of brightness, contrast and saturation.

    Args:
        side: S.
    """
    from torchvision.transforms import v2

    jitter = v2.ColorJitter(JITTER, JITTER, JITTER)
    crop: Transform = v2.Compose([v2.RandomResizedCrop(side), v2.RandomHorizontalFlip(), jitter, v2.PILToTensor()])
    return crop


def centre_crop(side: int, scale: float = 1.0) -> Transform:
    """Resize the short side to side x scale, and crop the centre.

    Args:
        side: S.
        scale: short side of the resized image / S.
    """
    from torchvision.transforms import v2

    crop: Transform = v2.Compose([v2.Resize(round(side * scale)), v2.CenterCrop(side), v2.PILToTensor()])
    return crop


class Images(Dataset[Any]):
    """Image files as tensors; an item is a batch of them.

    Args:
        files: image files.
        transform: function from an RGB image to (3, S, S) of uint8; it draws from torch's default generator.
        streams: random streams of the trial, for the transform.
    """

    def __init__(self, files: Files, transform: Transform, streams: Streams) -> None:
        self.files, self.transform, self.streams = files, transform, streams

    def __getitem__(self, request: Request) -> tuple[Tensor, Tensor] | str:
        """Images (B, 3, S, S) of uint8 and labels (B,); or a text with the error of a file."""
        indices, place = request
        try:
            images = [self._decode(index, place, offset) for offset, index in enumerate(indices)]
        except DataError as error:
            return str(error)
        return torch.stack(images), torch.from_numpy(self.files.labels[indices])

    def _decode(self, index: int, place: int | None, offset: int) -> Tensor:
        image = read_image(self.files.path(index), self.files.folder, upright=self.files.upright)
        if place is not None:
            torch.default_generator.manual_seed(self.streams.number("augment", place + offset))
        return self.transform(image)


def decode(
    images: Dataset[Any], requests: Iterable[Request], processes: int, *, pin: bool
) -> Generator[Any, None, None]:
    """Decode batches in the order of the requests, in advance, in processes that end when the generator is closed.

    Args:
        images: data set; an item for a request is a batch, or the error text of a file.
        requests: requests, possibly infinitely many.
        processes: number of processes; at most the number of CPUs is used.
        pin: whether batches are in pinned memory, for asynchronous copies to a GPU.

    Raises:
        DataError: a file is missing or damaged (the message names it), or a process died.
    """
    answers = iter(
        DataLoader(
            images,
            batch_size=None,
            sampler=requests,
            num_workers=max(min(processes, usable_cpus()), 1),
            prefetch_factor=AHEAD,
            pin_memory=pin,
            multiprocessing_context="fork",
            generator=torch.Generator(),  # otherwise it draws from the default generator
        )
    )
    fault = ""
    try:
        while not fault:
            try:
                answer = next(answers, None)
            except (RuntimeError, OSError, EOFError) as error:  # the pipe of a process may break first
                fault = f"a process that decodes images died: {error}"
                continue
            if answer is None:
                return
            if isinstance(answer, str):
                fault = answer
                continue
            yield answer
    finally:
        del answers  # its processes end with it
    raise DataError(fault)  # after the block, since an error keeps references to its frames


def steps_from(step: int, indices_of: Callable[[int], list[int]], size: int, part: slice) -> Iterator[Request]:
    """Requests of all steps from the given one, without end.

    Args:
        step: first step.
        indices_of: step -> indices of its files.
        size: images per step.
        part: requested positions in the step's batch.
    """
    first = part.indices(size)[0]
    for one in count(step):
        yield indices_of(one)[part], one * size + first
