"""Keys that commit 4367466 computed, of all tasks, needs, repetitions and a registered folder: they never change."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from ablate.data.add_folder import register
from ablate.study.plan import plan_document
from ablate.trials.trial import Repetition

SMALL = {"dataset": "fashion-mnist", "width": 0.125, "depth": [1, 1, 1, 1], "stem": "small_s2", "steps": 340}
COCO, CITYSCAPES = {"task": "detect", "dataset": "scenes-coco"}, {"task": "segment", "dataset": "scenes-cityscapes"}

GOLDEN: list[tuple[dict[str, Any], int, dict[str, int], list[str]]] = [
    ({"task": "classify", **SMALL}, 0, {}, ["c537376fe196d632ba4d5e17a6ba2628e9dcd00ba48c39768997fffcf4fd0efb"]),
    (
        {"task": "classify", **SMALL, "activation": "relu"},
        4,
        {"repeat": 3},
        ["4f26de805904b4bae2209f495c635068840bd22883c38cd6858f9c49a25fec2b"],
    ),
    (
        {"task": "classify", **SMALL},
        0,
        {"replicate": 2},
        ["0de9837c79bf5856e454c786c82470e94176e15844fb449bf6877683b9c9826a"],
    ),
    (
        {"task": "classify", "dataset": "pets", "resolution_px": 32, "steps": 10},
        0,
        {},
        ["0b0ff13fc158e2211cfef628a942b2e1847fbd0d5a6743ed29be702b7be7e214"],
    ),
    (COCO, 0, {}, ["4038dc2f26b616034efc255353dcdcadef400192196b27f85f1fe79aebe2ad4f"]),
    (
        {**COCO, "backbone": {"dataset": "fashion-mnist", "steps": 340}},
        1,
        {},
        [
            "65ce95b7425320d7c7af896e75157321b8ff2411260678652c8d31de522149bc",
            "67b64e938eb27f3d6bca188138fe72a0238c4b9759165581c2a219aa4bc92d99",
        ],
    ),
    (
        {**COCO, "backbone": {"dataset": "pets", "steps": 9}},
        1,
        {"repeat": 1},
        [
            "6b933970b0241408a12c65612c92a1148533207a972723acc78658f9f053c5ee",
            "bb8a615ab920846f3c6480e70906b29f4a9d83900d809aee8396d5986d365c55",
        ],
    ),
    (CITYSCAPES, 0, {}, ["c65905c4d23d8fd6b7bf161804bb68170c16b5022a7646ba2cf5e7039ba789c3"]),
    (
        {**CITYSCAPES, "activation": "relu", "backbone": {"dataset": "cifar10"}},
        2,
        {"replicate": 1},
        [
            "69378092e832392718ca16a4d4c405555c84a7d0005227897b3d22787a54ddc1",
            "97a7eb99f09380444b1572a5d9a2996ff84e4bbdd00b96c7649f1e241cc57ef5",
        ],
    ),
    (
        {**CITYSCAPES, "width": 0.25, "activation": "swish", "steps": 100},
        3,
        {},
        ["d39dce2434e7862d376198902effcef9ce3d34ac96065270bd7e72e0eaa64e96"],
    ),
]
"""[base], seed, repetition, and the keys of the trial and of the trials that it needs."""


def write_bitmap(path: Path, shade: int, px: int = 32) -> None:
    """A BMP file of one colour, whose bytes depend on no library."""
    content = bytes([shade, 7, 9]) * (px * px)
    header = b"BM" + struct.pack("<IHHI", 54 + len(content), 0, 0, 54)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        header + struct.pack("<IiiHHIIiiII", 40, px, px, 1, 24, 0, len(content), 2835, 2835, 0, 0) + content
    )


@pytest.fixture(scope="module")
def pets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root in which a folder of 12 images is registered as `pets`."""
    root = tmp_path_factory.mktemp("data")
    for label, name in enumerate(("cat", "dog")):
        for index in range(6):
            write_bitmap(root / "pets" / name / f"{index}.bmp", 40 * label + index)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ABLATE_DATA", str(root))
        register("pets", root / "pets")
    return root


@pytest.mark.parametrize(("base", "seed", "repetition", "keys"), GOLDEN)
def test_keys_of_earlier_versions_never_change(
    pets: Path, monkeypatch: pytest.MonkeyPatch, base: dict[str, Any], seed: int, repetition: Any, keys: list[str]
) -> None:
    monkeypatch.setenv("ABLATE_DATA", str(pets))
    document = {"name": "golden", "seeds": [seed], "base": base, "rows": [{"label": "only"}]}
    plan = plan_document(document, repetition=Repetition(**repetition))
    assert plan.memberships["only", seed] == keys[0]
    assert set(plan.trials) == set(keys)


def test_the_golden_keys_are_distinct() -> None:
    keys = [key for *_, keys in GOLDEN for key in keys]
    assert len(set(keys)) == len(keys) == 13
