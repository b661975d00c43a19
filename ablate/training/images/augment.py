"""Batches on their way from stored bytes to a network's input, on the device where they lie.

Shifting and mirroring are one gather over bytes; normalisation and resizing follow on the one stored channel of grey
images, before it is repeated. Shapes: N images, C stored channels, maps of H x W.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ablate.data.info import DatasetInfo
from ablate.errors import DataError, nearest, quote

KINDS = ("none", "flip", "crop", "crop_flip")
"""What can be done to images in memory; the recipe's `resized_crop_flip_jitter` is for those of a folder."""
SHIFT = 8
"""Images are shifted by up to the side divided by this."""
NETWORK_CHANNELS = 3


def augment(images: Tensor, kind: str, generator: torch.Generator) -> Tensor:
    """Shifted and mirrored copies, each image by a draw of its own.

    Args:
        images: (N, C, H, W) of uint8.
        kind: `none`; `crop`: shifted by up to H // 8 and W // 8 pixels, both uniform, zeros moving in; `flip`:
            mirrored left to right with probability 1/2; `crop_flip`: both.
        generator: on the device of the images.

    Returns:
        Same shape and dtype; the images themselves for `none`.

    Raises:
        DataError: a kind that does not exist for images in memory.
    """
    if kind not in KINDS:
        raise DataError(f"no augmentation {quote(kind)}{nearest(kind, KINDS)}")
    if kind == "none":
        return images
    count, _, height, width = images.shape
    pad_y, pad_x = (height // SHIFT, width // SHIFT) if kind.startswith("crop") else (0, 0)
    rows = _draw_window(count, height, pad_y, generator)  # (N, H)
    columns = _draw_window(count, width, pad_x, generator)  # (N, W)
    if kind.endswith("flip"):
        mirrored = torch.randint(0, 2, (count, 1), generator=generator, device=images.device).bool()
        columns = torch.where(mirrored, columns.flip(1), columns)
    return _gather(F.pad(images, (pad_x, pad_x, pad_y, pad_y)), rows, columns)


def to_float(
    images: Tensor, info: DatasetInfo, resolution_px: int = 0, channels_last: bool = True, input_norm: str = "dataset"
) -> Tensor:
    """A network's input.

    Args:
        images: (N, C, H, W) of uint8.
        info: gives mean and standard deviation per stored channel.
        resolution_px: side to which images are resized, bilinear and antialiased; 0 keeps their own.
        channels_last: memory format of the result.
        input_norm: `dataset`: by the data set's mean and deviation; `none`: pixels as they are, 0 to 255.

    Returns:
        (N, 3, side, side) of float32; grey images three times the same.
    """
    pixels = images.float()
    if resolution_px not in (0, images.shape[-1]):
        pixels = F.interpolate(pixels, size=(resolution_px, resolution_px), mode="bilinear", antialias=True)
    if input_norm == "dataset":
        pixels = _normalise(pixels, info)
    if not channels_last:
        return pixels.expand(-1, NETWORK_CHANNELS, -1, -1).contiguous()
    count, _, height, width = pixels.shape
    # One broadcast copy; `contiguous(memory_format=channels_last)` of the expanded view takes 1.6 times as long.
    inputs = pixels.new_empty((count, height, width, NETWORK_CHANNELS))
    return inputs.copy_(pixels.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def _normalise(pixels: Tensor, info: DatasetInfo) -> Tensor:
    """In place."""
    scale = [1 / (255 * std) for std in info.std]
    shift = [-mean / std for mean, std in zip(info.mean, info.std, strict=True)]
    if len(scale) == 1:
        return pixels.mul_(scale[0]).add_(shift[0])  # numbers, which need no trip to the device
    return pixels.mul_(_per_channel(scale, pixels)).add_(_per_channel(shift, pixels))


def _draw_window(count: int, length: int, pad: int, generator: torch.Generator) -> Tensor:
    """Places (N, length) in an axis padded by `pad` on both sides, one uniform shift for each image."""
    places = torch.arange(length, device=generator.device)
    if pad == 0:
        return places.expand(count, -1)
    return places + torch.randint(0, 2 * pad + 1, (count, 1), generator=generator, device=generator.device)


def _gather(padded: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Pixel (n, c, rows[n, i], columns[n, j]) at (n, c, i, j). Flat, since `index_select` is the fastest gather."""
    count, channels, height, width = padded.shape
    planes = torch.arange(count * channels, device=padded.device).view(count, channels, 1) * (height * width)
    lines = planes + rows[:, None] * width  # (N, C, H)
    places = lines[..., None] + columns[:, None, None]  # (N, C, H, W)
    return padded.reshape(-1).index_select(0, places.view(-1)).view(places.shape)


def _per_channel(values: list[float], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device).view(-1, 1, 1)  # (C, 1, 1)
