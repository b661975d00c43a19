"""Where batches come from: the same images in any decoding process, from any step; no process outlives its trial."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from ablate.data.add_folder import register
from ablate.data.datasets import describe, list_files, pin
from ablate.errors import DataError
from ablate.recipes.classify import ClassifyRecipe
from ablate.tasks.classify.limits import check_data
from ablate.tasks.classify.practice import train
from ablate.tasks.classify.source import ImageSource, InMemory, Streamed, open_source
from ablate.training.determinism import Streams
from ablate.training.images.augment import to_float
from ablate.training.images.decoded import find_decoded
from ablate.trials.run import run_trial
from ablate.trials.trial import EpochMetrics, Outcome, Trial
from ablate.workers.pool import Job, Pool, Said
from tests.image_folders import write_folder

CROPS = "resized_crop_flip_jitter"
SMALL: dict[str, Any] = {
    "dataset": "pets", "width": 0.0625, "depth": [1, 1, 1, 1], "stem": "small", "stages": [2, 3], "steps": 7,
    "batch_size": 12, "resolution_px": 16, "schedule": "onecycle", "augment": CROPS,
}  # fmt: skip


@pytest.fixture(autouse=True)
def pets(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registered folder with a split of its own: 36 images to train on, 11 to test on, of three classes."""
    monkeypatch.setenv("ABLATE_DATA", str(tmp_path / "data"))
    folder = tmp_path / "pets"
    write_folder(folder / "train", {"ant": 12, "bee": 14, "cat": 10})
    write_folder(folder / "val", {"ant": 4, "bee": 4, "cat": 3}, seed=1)
    register("pets", folder)
    return folder


@pytest.fixture(autouse=True)
def threads() -> Iterator[Callable[[int], None]]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield torch.set_num_threads
    torch.set_num_threads(before)


def small(**changes: Any) -> ClassifyRecipe:
    return ClassifyRecipe(**SMALL | changes)


def children() -> list[psutil.Process]:
    """Running processes of this one, but for multiprocessing's own, which other tests may have left."""
    running = [one for one in psutil.Process().children() if one.status() != psutil.STATUS_ZOMBIE]
    return [one for one in running if "resource_tracker" not in " ".join(one.cmdline())]


def batches(source: ImageSource, steps: range, part: slice = slice(None)) -> list[tuple[torch.Tensor, torch.Tensor]]:
    found = [source.batch(step, part) for step in steps]
    source.close()
    return found


def are_equal(one: list[tuple[torch.Tensor, torch.Tensor]], two: list[tuple[torch.Tensor, torch.Tensor]]) -> bool:
    pairs = zip(one, two, strict=True)
    return all(torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) for a, b in pairs)


def test_what_becomes_of_an_image_depends_neither_on_the_processes_nor_on_where_they_begin(
    threads: Callable[[int], None],
) -> None:
    whole = batches(open_source(small(), Streams(3)), range(7))
    inputs, labels = whole[0]
    assert (inputs.shape, inputs.dtype, labels.dtype) == ((12, 3, 16, 16), torch.float32, torch.int64)
    threads(2)
    assert are_equal(whole, batches(open_source(small(), Streams(3)), range(7)))
    assert are_equal(whole[4:], batches(open_source(small(), Streams(3)), range(4, 7)))
    jumping = open_source(small(), Streams(3))
    assert are_equal([whole[5], whole[1]], [jumping.batch(5), jumping.batch(1)])
    jumping.close()
    assert not are_equal(whole, batches(open_source(small(), Streams(4)), range(7)))


@pytest.mark.parametrize("augment", [CROPS, "crop_flip"])
def test_the_parts_of_a_batch_are_the_whole_whoever_asks_for_them(augment: str) -> None:
    whole = batches(open_source(small(augment=augment), Streams(0)), range(4))
    for slices in ([slice(0, 6), slice(6, 12)], [slice(0, 4), slice(4, 8), slice(8, 12)]):
        parts = [batches(open_source(small(augment=augment), Streams(0)), range(4), part) for part in slices]
        for step, (inputs, labels) in enumerate(whole):
            assert torch.equal(torch.cat([part[step][0] for part in parts]), inputs)
            assert torch.equal(torch.cat([part[step][1] for part in parts]), labels)


def test_an_epoch_sees_every_file_once_and_each_time_another_crop_of_it() -> None:
    source = open_source(small(), Streams(0))
    assert source.order.steps_per_epoch == 3
    epochs = [torch.cat([source.order.at(3 * epoch + place) for place in range(3)]) for epoch in range(2)]
    assert all(torch.equal(epoch.sort().values, torch.arange(36)) for epoch in epochs)
    images = torch.cat([inputs for inputs, _ in batches(source, range(6))])
    first, again = (images[36 * epoch : 36 * epoch + 36][epochs[epoch].argsort()] for epoch in range(2))
    assert not any(torch.equal(*pair) for pair in zip(first, again, strict=True))


def test_files_and_labels_are_those_of_torchvisions_image_folder(pets: Path) -> None:
    for part in ("train", "val"):
        theirs, ours = ImageFolder(pets / part), list_files("pets", part == "train")
        assert [(ours.path(index), int(ours.labels[index])) for index in range(len(ours))] == theirs.samples


def test_test_images_are_cut_out_as_torchvisions_transforms_do(pets: Path) -> None:
    source = open_source(small(resolution_px=28), Streams(0))
    (inputs, labels), *more = source.test_batches()
    assert not more
    theirs = ImageFolder(pets / "val", v2.Compose([v2.Resize(32), v2.CenterCrop(28), v2.PILToTensor()]))
    (images, their_labels), *_ = DataLoader(theirs, batch_size=11)
    assert torch.equal(labels, their_labels)
    assert torch.equal(inputs, to_float(images, describe("pets")))


def test_other_augmentations_decode_once_to_the_resolution_and_hold_the_images_in_memory(pets: Path) -> None:
    recipe = small(augment="none")
    decoded = find_decoded(recipe, True, Streams(0)).image_set()
    theirs = ImageFolder(pets / "train", v2.Compose([v2.Resize(16), v2.CenterCrop(16), v2.PILToTensor()]))
    (images, labels), *_ = DataLoader(theirs, batch_size=36)
    assert torch.equal(decoded.images, images)
    assert torch.equal(decoded.labels, labels)
    source = open_source(recipe, Streams(0))
    assert isinstance(source, InMemory)
    shutil.rmtree(pets)  # nothing is read any more
    index = source.order.at(2)
    assert torch.equal(source.batch(2)[0], to_float(images[index], source.info))
    assert not children()


def test_pixels_can_be_left_as_they_are() -> None:
    inputs, _ = batches(open_source(small(input_norm="none"), Streams(0)), range(1))[0]
    assert torch.equal(inputs, inputs.round())
    assert 0 <= float(inputs.min()) < 60 < 200 < float(inputs.max()) <= 255


@pytest.mark.parametrize("augment", [CROPS, "crop_flip"])
def test_subsets_are_the_seeds_to_train_on_and_everyones_to_test_on(augment: str) -> None:
    recipe = small(train_images=24, test_images=5, augment=augment)
    sources = [open_source(recipe, Streams(seed)) for seed in (0, 1)]
    trained = [torch.cat([labels for _, labels in batches(source, range(2))]) for source in sources]
    assert [len(labels) for labels in trained] == [24, 24]
    tested = [list(source.test_batches()) for source in sources]
    assert are_equal(*tested)
    assert len(tested[0][0][1]) == 5


def finish(recipe: ClassifyRecipe, workdir: Path) -> tuple[list[EpochMetrics], Outcome]:
    messages = list(train(recipe, 0, workdir))
    assert isinstance(messages[-1], Outcome)
    return [message for message in messages if isinstance(message, EpochMetrics)], messages[-1]


@pytest.mark.parametrize("augment", [CROPS, "crop_flip"])
def test_a_trial_gives_the_same_numbers_twice_and_after_an_interruption(
    tmp_path: Path, augment: str, threads: Callable[[int], None]
) -> None:
    recipe = small(augment=augment)
    curve, outcome = finish(recipe, tmp_path / "whole")
    assert [point.step for point in curve] == [3, 6, 7]
    messages = train(recipe, 0, tmp_path / "parts")
    assert next(message for message in messages if isinstance(message, EpochMetrics)).step == 3
    messages.close()
    assert not children()
    went_on, same = finish(recipe, tmp_path / "parts")
    assert (went_on, same.metrics) == (curve, outcome.metrics)


@pytest.mark.slow
def test_two_ranks_decode_their_own_images_and_give_the_numbers_of_one(tmp_path: Path) -> None:
    recipe = small(steps=4)
    curve, outcome = finish(recipe, tmp_path / "one")
    *points, last = train(recipe, 0, tmp_path / "two", ranks=2)
    assert isinstance(last, Outcome)
    assert last.metrics["test_loss"] == pytest.approx(outcome.metrics["test_loss"], rel=1e-3)
    together = [point.metrics["train_loss"] for point in points if isinstance(point, EpochMetrics)]
    assert together == pytest.approx([point.metrics["train_loss"] for point in curve], rel=1e-3)
    assert not children()


def damage_unseen(path: Path) -> None:
    """Cut the file's content short, but neither its size nor its time."""
    status, content = path.stat(), path.read_bytes()
    path.write_bytes(content[: len(content) // 2].ljust(len(content), b"\0"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("augment", [CROPS, "crop_flip"])
@pytest.mark.parametrize("part", ["train", "val"])
def test_a_file_that_is_damaged_later_ends_the_trial_with_its_name_and_leaves_no_process(
    pets: Path, tmp_path: Path, augment: str, part: str
) -> None:
    victim = pets / part / "cat" / "1.jpg"
    damage_unseen(victim)
    with pytest.raises(DataError, match=rf"^{victim} is damaged: "):
        list(train(small(augment=augment), 0, tmp_path / "trial"))
    assert not children()


def test_a_file_that_goes_while_training_is_named(pets: Path) -> None:
    source = open_source(small(), Streams(0))
    source.batch(0)
    victim = pets / "train" / "bee" / "5.jpg"
    victim.unlink()
    with pytest.raises(DataError, match=rf"{victim} cannot be read: No such file"):
        batches(source, range(1, 30))
    assert not children()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # torch's own signal handler may raise
def test_a_decoding_process_that_is_killed_ends_the_trial_instead_of_hanging_it() -> None:
    source = open_source(small(), Streams(0))
    source.batch(0)
    for process in children():
        process.kill()
    with pytest.raises(DataError, match="a process that decodes images died"):
        batches(source, range(1, 30))
    assert not children()


def trial_of(recipe: ClassifyRecipe) -> Trial:
    pinned = recipe.model_copy(update={"dataset": pin(recipe.dataset)})
    return Trial(key="0" * 64, task="classify", recipe=pinned.model_dump(mode="json"), seed=0)


@pytest.mark.slow
def test_a_worker_of_the_pool_decodes_too_and_takes_its_processes_with_it(tmp_path: Path) -> None:
    with Pool([{"OMP_NUM_THREADS": "2"}], is_trusted=True) as pool:
        pool.submit(Job("a", run_trial, (trial_of(small()), tmp_path / "a")))
        said = [event.item for event in pool.events() if isinstance(event, Said)]
        assert said[-1].status == "succeeded", said[-1]
        pool.submit(Job("b", run_trial, (trial_of(small(steps=100_000)), tmp_path / "b")))
        next(pool.events())
        (worker,) = children()
        family = [worker, *worker.children(recursive=True)]
        assert len(family) >= 2
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive


def test_a_trial_that_was_planned_for_other_content_does_not_run(pets: Path, tmp_path: Path) -> None:
    trial = trial_of(small())
    shutil.copy(pets / "val" / "ant" / "0.jpg", pets / "train" / "ant" / "more.jpg")
    register("pets", pets, replace=True)
    (outcome,) = run_trial(trial, tmp_path / "trial")
    assert isinstance(outcome, Outcome)
    assert outcome.status == "failed"
    assert "has other content now" in str(outcome.reason)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"dataset": "digits"}, r"needs image files of any size, and data set 'digits' has images of 8 px"),
        ({"dataset": "imagenet", "augment": "flip", "resolution_px": 0}, r"1,331,167 images of 224 px are 186.6 GiB"),
        ({"train_images": 37}, r"train_images is 37, and data set 'pets' has 36"),
    ],
)
def test_what_a_data_set_cannot_give_is_refused_before_anything_is_read(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(DataError, match=text):
        check_data(small(**changes))


def test_a_small_subset_of_a_large_folder_may_lie_in_memory() -> None:
    check_data(small(dataset="imagenet", augment="flip", resolution_px=64, train_images=10_000, test_images=10_000))
    check_data(small(dataset="imagenet", resolution_px=0))


def test_which_source_a_recipe_has() -> None:
    assert isinstance(open_source(small(), Streams(0)), Streamed)
    assert isinstance(open_source(small(augment="flip"), Streams(0)), InMemory)
    assert isinstance(open_source(small(dataset="digits", augment="flip", resolution_px=8), Streams(0)), InMemory)
