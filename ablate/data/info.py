"""What is known of each data set of the catalog without opening it. Imports nothing of ours."""

from __future__ import annotations

from dataclasses import dataclass

OF_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and deviation of ImageNet, by which scenes are normalised too whose backbones were trained on it."""


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """What is known of a data set without opening it.

    Attributes:
        name: as in a recipe's `dataset`.
        title: for people.
        kind: task it is made for: `classify`, `detect` or `segment`.
        classes: number of labels that a network tells apart.
        channels: of a stored image, 1 (grey) or 3; grey images are repeated to 3 for the network.
        resolution_px: side of a stored image, of scenes the shorter one; where images differ, the side they are trained
            at unless told otherwise.
        train_images: size of the training set.
        test_images: size of the test set (ImageNet: the validation set).
        mean: per stored channel, of pixels on 0..1 in the training set.
        std: likewise the standard deviation.
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


CATALOG = (
    DatasetInfo(
        "fashion-mnist", "Fashion-MNIST", "classify", 10, 1, 28, 60_000, 10_000, (0.2860,), (0.3530,),
        "Zalando's article images, grey, the size and split of MNIST (Xiao et al. 2017, arXiv 1708.07747).",
    ),
    DatasetInfo(
        "digits", "Digits 8x8", "classify", 10, 1, 8, 1_442, 355, (0.3052,), (0.3760,),
        "Handwritten digits that scikit-learn carries; of each class every fifth image is for testing.",
    ),
    DatasetInfo(
        "cifar10", "CIFAR-10", "classify", 10, 3, 32, 50_000, 10_000,
        (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616),
        "Colour photographs of ten kinds of object (Krizhevsky 2009).",
    ),
    DatasetInfo(
        "cifar100", "CIFAR-100", "classify", 100, 3, 32, 50_000, 10_000,
        (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762),
        "Colour photographs of a hundred kinds of object (Krizhevsky 2009).",
    ),
    DatasetInfo(
        "imagenet", "ImageNet-1k", "classify", 1_000, 3, 224, 1_281_167, 50_000,
        (0.485, 0.456, 0.406), (0.229, 0.224, 0.225),
        "Photographs of the ILSVRC 2012 challenge (Russakovsky et al. 2015, arXiv 1409.0575).", True,
    ),
    DatasetInfo(
        "scenes-coco", "Garments in scenes, COCO's format", "detect", 5, 3, 192, 2_000, 500,
        (0.4243, 0.4270, 0.4290), (0.2436, 0.2476, 0.2462),
        "Garments of Fashion-MNIST before textured grounds, composed here; ablate.data.scenes says how.", True,
    ),
    DatasetInfo(
        "coco", "COCO 2017", "detect", 80, 3, 800, 118_287, 5_000, *OF_IMAGENET,
        "Photographs of everyday scenes with 80 kinds of object (Lin et al. 2014, arXiv 1405.0312).", True,
    ),
    DatasetInfo(
        "scenes-cityscapes", "Streets of garments, Cityscapes' format", "segment", 19, 3, 96, 2_000, 500,
        (0.4396, 0.4580, 0.4371), (0.1913, 0.2024, 0.2354),
        "Streets of textures and of Fashion-MNIST's garments, with 11 of Cityscapes' 19 classes, composed here.", True,
    ),
    DatasetInfo(
        "cityscapes", "Cityscapes", "segment", 19, 3, 1_024, 2_975, 500, *OF_IMAGENET,
        "Photographs of streets in 27 cities, finely labelled (Cordts et al. 2016, arXiv 1604.01685).", True,
    ),
)  # fmt: skip
