"""ablate's own data sets. To add one, add its object to `CATALOG`. Imports no torch."""

from __future__ import annotations

from pathlib import Path

from ablate.data.cifar import Cifar
from ablate.data.dataset import DataSet
from ablate.data.digits import Digits
from ablate.data.fashion_mnist import FashionMnist
from ablate.data.info import DatasetInfo
from ablate.data.pinned_files import CIFAR10, CIFAR100, FASHION_MNIST
from ablate.data.scene_sets import MiniatureScenes, RealScenes
from ablate.data.scenes.recipes import COCO_MINIATURE, STREETS_MINIATURE
from ablate.data.split_folders import SplitFolders

OF_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and deviation of ImageNet; they also normalise scenes whose backbones were trained on it."""

_FASHION = FashionMnist(
    DatasetInfo(
        "fashion-mnist", "Fashion-MNIST", "classify", 10, 1, 28, 60_000, 10_000, (0.2860,), (0.3530,),
        "Zalando's article images, grey, the size and split of MNIST (Xiao et al. 2017, arXiv 1708.07747).",
    ),
    Path("FashionMNIST", "raw"),
    FASHION_MNIST,
)  # fmt: skip

CATALOG: tuple[DataSet, ...] = (
    _FASHION,
    Digits(
        DatasetInfo(
            "digits", "Digits 8x8", "classify", 10, 1, 8, 1_442, 355, (0.3052,), (0.3760,),
            "Handwritten digits that scikit-learn includes; of each class every fifth image is a test image.",
        ),
    ),
    Cifar(
        DatasetInfo(
            "cifar10", "CIFAR-10", "classify", 10, 3, 32, 50_000, 10_000,
            (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616),
            "Colour photographs of ten kinds of object (Krizhevsky 2009).",
        ),
        Path("cifar-10-batches-py"),
        CIFAR10,
        "CIFAR10",
    ),
    Cifar(
        DatasetInfo(
            "cifar100", "CIFAR-100", "classify", 100, 3, 32, 50_000, 10_000,
            (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762),
            "Colour photographs of a hundred kinds of object (Krizhevsky 2009).",
        ),
        Path("cifar-100-python"),
        CIFAR100,
        "CIFAR100",
    ),
    SplitFolders(
        DatasetInfo(
            "imagenet", "ImageNet-1k", "classify", 1_000, 3, 224, 1_281_167, 50_000, *OF_IMAGENET,
            "Photographs of the ILSVRC 2012 challenge (Russakovsky et al. 2015, arXiv 1409.0575).", True,
        ),
        example="n01440764",
        origin="It is distributed by image-net.org on request, so ablate cannot fetch it. A part of it can be "
        "registered under another name: ablate data add NAME FOLDER",
    ),
    MiniatureScenes(
        DatasetInfo(
            "scenes-coco", "Garments in scenes, COCO's format", "detect", 5, 3, 192, 2_000, 500,
            (0.4243, 0.4270, 0.4290), (0.2436, 0.2476, 0.2462),
            "Garments of Fashion-MNIST on textured backgrounds, composed here; see ablate.data.scenes.", True,
        ),
        COCO_MINIATURE,
        garments=_FASHION,
    ),
    RealScenes(
        DatasetInfo(
            "coco", "COCO 2017", "detect", 80, 3, 800, 118_287, 5_000, *OF_IMAGENET,
            "Photographs of everyday scenes with 80 kinds of object (Lin et al. 2014, arXiv 1405.0312).", True,
        ),
        ("annotations/instances_train2017.json", "annotations/instances_val2017.json", "train2017", "val2017"),
        origin="distributed at cocodataset.org: unpack 2017's train images, val images and train/val annotations there",
    ),
    MiniatureScenes(
        DatasetInfo(
            "scenes-cityscapes", "Streets of garments, Cityscapes' format", "segment", 19, 3, 96, 2_000, 500,
            (0.4396, 0.4580, 0.4371), (0.1913, 0.2024, 0.2354),
            "Streets of textures and of Fashion-MNIST's garments, with 11 of Cityscapes' 19 classes, composed here.",
            True,
        ),
        STREETS_MINIATURE,
        garments=_FASHION,
    ),
    RealScenes(
        DatasetInfo(
            "cityscapes", "Cityscapes", "segment", 19, 3, 1_024, 2_975, 500, *OF_IMAGENET,
            "Photographs of streets in 27 cities, finely labelled (Cordts et al. 2016, arXiv 1604.01685).", True,
        ),
        ("leftImg8bit/train", "leftImg8bit/val", "gtFine/train", "gtFine/val"),
        origin="distributed at cityscapes-dataset.com to registered users: unpack leftImg8bit_trainvaltest.zip and "
        "gtFine_trainvaltest.zip there",
    ),
)  # fmt: skip
