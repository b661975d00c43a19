"""What is known of a data set without opening it, and what can be wrong with one."""

from __future__ import annotations

from dataclasses import dataclass

from ablate.errors import Code


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """What is known of a data set without opening it.

    Attributes:
        name: its name in a recipe's `dataset`.
        title: for people.
        kind: task it is made for: `classify`, `detect` or `segment`.
        classes: number of labels.
        channels: of a stored image, 1 (grey) or 3; grey images are repeated to 3 for the network.
        resolution_px: side of a stored image (of scenes the shorter one); where images differ in size, the side that
            a recipe trains at by default.
        train_images: size of the training set.
        test_images: size of the test set (ImageNet: the validation set).
        mean: mean of the training pixels on 0..1, per stored channel.
        std: their standard deviation, likewise.
        text: one sentence on its origin.
        is_folder: whether it is a folder of image files, which differ in size and are decoded when they are used.
    """

    name: str
    title: str
    kind: str
    classes: int
    channels: int
    resolution_px: int
    train_images: int
    test_images: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    text: str
    is_folder: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a registered folder cannot be trained on.

    Attributes:
        code: `no_data` if it cannot be listed, `data_changed` if its files have changed, `data_damaged` if its
            registration cannot be read.
        text: a sentence that names the file or folder.
        public: the same sentence without paths of this machine.
    """

    code: Code
    text: str
    public: str
