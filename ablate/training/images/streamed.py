"""Images that are decoded while they are trained on, in processes beside the training.

What becomes of an image follows from the trial's seed and the image's place in the order of the whole training alone:
not from the number of processes, from the step at which they were started, or from which images of the batch are asked
for. Shapes: B images of a batch, side S in pixels. torchvision is imported where it is used: it takes as long as torch.
"""

from __future__ import annotations

import os
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
from ablate.training.determinism import Streams

JITTER = 0.4
EVAL_SCALE = 256 / 224
"""Short side to which a test image is resized, as a multiple of the side that is cropped from its centre."""
AHEAD = 2
"""Batches that each process has ready, or under way."""

Transform = Callable[[Image.Image], Tensor]
Request = tuple[list[int], int | None]
"""Indices of files, and the place of the first one in the order of the whole training; None where nothing is drawn."""


def random_crop(side: int) -> Transform:
    """ImageNet's augmentation: random resized crop, mirroring, and jitter of brightness, contrast and saturation."""
    from torchvision.transforms import v2

    jitter = v2.ColorJitter(JITTER, JITTER, JITTER)
    crop: Transform = v2.Compose([v2.RandomResizedCrop(side), v2.RandomHorizontalFlip(), jitter, v2.PILToTensor()])
    return crop


def centre_crop(side: int, scale: float = 1.0) -> Transform:
    """The short side is resized to side x scale, and the centre is cut out."""
    from torchvision.transforms import v2

    crop: Transform = v2.Compose([v2.Resize(round(side * scale)), v2.CenterCrop(side), v2.PILToTensor()])
    return crop


class Images(Dataset[Any]):
    """Image files as tensors; an item is a batch of them.

    Args:
        files: where they lie.
        transform: from an image in RGB to (3, S, S) of uint8; draws from torch's default generator.
        streams: of the trial, for what the transform draws.
    """

    def __init__(self, files: Files, transform: Transform, streams: Streams) -> None:
        self.files, self.transform, self.streams = files, transform, streams

    def __getitem__(self, request: Request) -> tuple[Tensor, Tensor] | str:
        """Images (B, 3, S, S) of uint8 and labels (B,); or what is wrong with a file, which a process can say so."""
        indices, place = request
        try:
            images = [self._decode(index, place, offset) for offset, index in enumerate(indices)]
        except DataError as error:
            return str(error)
        return torch.stack(images), torch.from_numpy(self.files.labels[indices])

    def _decode(self, index: int, place: int | None, offset: int) -> Tensor:
        image, _ = read_image(self.files.path(index))
        if place is not None:
            torch.default_generator.manual_seed(self.streams.number("augment", place + offset))
        return self.transform(image)


def decode(
    images: Dataset[Any], requests: Iterable[Request], processes: int, *, pin: bool
) -> Generator[Any, None, None]:
    """Batches in the order of the requests, decoded ahead in processes that end when the generator is closed.

    Args:
        images: what to read; answers a request by a batch, or by a text that says what is wrong with a file.
        requests: may be without end.
        processes: how many decode; never more than there are CPUs.
        pin: whether the batches shall lie in memory from which a GPU copies by itself.

    Raises:
        DataError: a file is missing or damaged, or a process died; the file is named.
    """
    answers = iter(
        DataLoader(
            images,
            batch_size=None,
            sampler=requests,
            num_workers=max(min(processes, len(os.sched_getaffinity(0))), 1),
            prefetch_factor=AHEAD,
            pin_memory=pin,
            multiprocessing_context="fork",
            generator=torch.Generator(),  # or it would draw from the default one
        )
    )
    fault = ""
    try:
        while not fault:
            try:
                answer = next(answers, None)
            except (RuntimeError, OSError, EOFError) as error:  # the pipe of a process may break before its end is told
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
    raise DataError(fault)  # behind the block, for an error holds on to what it came from


def steps_from(step: int, indices_of: Callable[[int], list[int]], size: int, part: slice) -> Iterator[Request]:
    """The requests of all steps from one on.

    Args:
        step: the first one.
        indices_of: the files of a step.
        size: images in a step.
        part: which of them are asked for.
    """
    first = part.indices(size)[0]
    for one in count(step):
        yield indices_of(one)[part], one * size + first
