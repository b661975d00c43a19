"""The known name that a person most likely meant by an unknown one.

A known name matches, from best to worst: if it is the same apart from case and separators (`ReLU`, `fashion_mnist`);
if other tools write the unknown name for it (`learning_rate`, `bs`, `wd`); if it is spelt alike; if it begins with the
unknown name (`top1`). This module imports nothing but limits, so every layer can use it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ablate.limits import MAX_COMPARED, MAX_NAME, MAX_SIFTED

CUTOFF = 0.6
"""Smallest similarity of two spellings, of 1."""
MIN_PREFIX = 3
"""Characters of an unknown name that count as the beginning of a known one."""

WORDS: Mapping[str, str] = {
    # fields of a recipe
    "lr": "learning_rate base_lr initial_lr init_lr max_lr peak_lr step_size eta",
    "epochs": "epoch num_epochs n_epochs max_epochs num_train_epochs",
    "steps": "step iterations iters iteration max_steps num_steps n_steps max_iter max_iters total_steps updates",
    "batch_size": "bs batch minibatch mini_batch train_batch_size train_bs per_device_batch_size",
    "weight_decay": "wd decay l2 l2_reg l2_penalty weight_penalty",
    "momentum": "mom mu beta1",
    "optimizer": "optim optimiser opt solver",
    "clip_norm": "clip_grad grad_clip max_grad_norm gradient_clip_val clip_grad_norm clip",
    "accumulate": "accum accumulation grad_accum gradient_accumulation_steps accumulate_grad_batches accum_iter",
    "ema_decay": "ema model_ema_decay ema_beta",
    "betas": "adam_betas beta",
    "schedule": "scheduler lr_schedule lr_scheduler sched lr_policy lr_decay annealing",
    "warmup_epochs": "warmup warm_up warmup_steps num_warmup_steps",
    "warmup_steps": "warmup warm_up warmup_epochs num_warmup_steps",
    "label_smoothing": "smoothing ls smooth",
    "dropout": "drop dropout_rate drop_rate p_drop dropout_p",
    "augment": "aug augmentation augmentations augs transform transforms data_augmentation",
    "precision": "dtype amp mixed_precision fp16 bf16 use_amp autocast",
    "model": "net network arch architecture model_name encoder",
    "dataset": "data ds dataset_name data_name datasets",
    "activation": "act act_fn act_fun act_layer activation_fn activation_function nonlinearity non_linearity",
    "resolution_px": "resolution image_size img_size imgsz input_size size image_resolution",
    "window": "kernel kernel_size win window_size filter_size",
    "window_dilation": "dilation",
    "norm": "normalization normalisation norm_layer norm_type",
    "norm_groups": "groups num_groups n_groups",
    "se": "squeeze_excitation squeeze_and_excitation use_se",
    "stages": "stage blocks",
    "layers": "layer",
    "train_images": "n_train num_train train_size train_samples subset",
    "test_images": "n_test num_test test_size test_samples val_images",
    # fields of a study and its tables
    "seeds": "seed n_seeds num_seeds random_seed random_seeds repeats repetitions replicates num_runs n_runs trials",
    "rows": "row variants variant experiments configs ablations arms",
    "factors": "factor grid params sweep parameters axes search_space",
    "levels": "level values options choices",
    "label": "name title id",
    "set": "override overrides patch changes config params",
    "off": "without disabled",
    "exclude": "exclusions excludes skip",
    "metric": "monitor objective primary_metric metric_name",
    "metrics": "extra_metrics further_metrics columns",
    "question": "description desc hypothesis notes abstract",
    "name": "id study study_name experiment",
    "base": "config defaults common recipe hyperparameters hparams settings train training",
    "scales": "scale sizes budgets",
    "gpus": "gpu num_gpus n_gpus ngpu ngpus devices",
    "cpus": "cpu num_cpus n_cpus threads num_threads num_workers",
    "baseline": "reference ref control base_row",
    "alpha": "significance significance_level sig p_threshold",
    # activations, norms, data sets, networks
    "swish": "silu",
    "bn": "batchnorm batch batchnorm2d batch_normalization",
    "ln": "layernorm layer_normalization",
    "in": "instancenorm instancenorm2d instance",
    "gn": "groupnorm group",
    "none": "no off identity null false",
    "parametric": "conv depthwise dw learned",
    "max_pool": "max",
    "avg_pool": "avg average mean mean_pool average_pool",
    "fashion-mnist": "fmnist",
    "cifar10": "cifar",
    "imagenet": "imagenet1k ilsvrc ilsvrc2012 in1k",
    "coco": "mscoco coco2017",
    "resnet50": "resnet resnet50_v1",
    "mobilenet_v1_x0.75": "mobilenet mobilenet_v1",
    "shufflenet_v2_x0.5": "shufflenet shufflenet_v2",
    "torchvision/NAME": "resnet18 resnet34 resnet152 alexnet vgg11 vgg16 vgg19 densenet121 mobilenet_v2 "
    "mobilenet_v3_small mobilenet_v3_large squeezenet1_1 googlenet inception_v3 efficientnet_b0 convnext_tiny vit_b_16",
    # schedules, augmentations, precisions, tests, metrics, designs, tasks
    "cosine": "cos cosineannealing cosine_decay cosine_annealing_lr",
    "onecycle": "onecycle_lr 1cycle one_cycle_policy triangular",
    "constant": "const fixed none",
    "step": "multistep step_lr multistep_lr",
    "poly": "polynomial",
    "flip": "hflip horizontal_flip random_flip mirror signflip permutation",
    "crop": "random_crop shift",
    "fp32": "float32 float 32 single full",
    "bf16": "bfloat16 mixed",
    "t": "ttest t_test paired_t student students_t",
    "top1_error_pct": "acc accuracy top1_acc top1_accuracy error err error_rate val_acc test_acc top1_err",
    "top5_error_pct": "top5_acc top5_accuracy top5_err",
    "test_loss": "loss val_loss eval_loss",
    "map_pct": "map mean_ap",
    "mean_iu_pct": "miou mean_iou iou",
    "grid": "factorial full_factorial product cartesian",
    "leave_one_out": "loo ablation leave1out",
    "one_at_a_time": "oat ofat one_factor_at_a_time",
    "classify": "classification image_classification classifier",
    "detect": "detection object_detection detector",
    "segment": "segmentation semantic_segmentation",
}  # fmt: skip
"""Known name -> what other tools call it."""

OTHER = frozenset({"hardsigmoid", "adamax", "nadam", "mnist"})
"""Names of other things than the known ones that are spelt alike."""


def plain(name: str) -> str:
    """A name without case and separators."""
    return re.sub(r"[\s_./-]+", "", name.casefold())


def _targets() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for known, words in WORDS.items():
        for word in words.split():
            found.setdefault(plain(word), []).append(known)
    return found


_TARGETS = _targets()


class Match(NamedTuple):
    """A known name and its similarity to the unknown one, at most 1."""

    name: str
    score: float


def closest(given: str, names: Iterable[str]) -> Match | None:
    """The known name that is most likely meant; None if none is similar."""
    known = list(names)
    if len(given) > MAX_NAME or not known:
        return None
    candidates, bare = _candidates(given, known), plain(given)
    for one in candidates:
        if plain(one) == bare:
            return Match(one, 1.0)
    for target in _TARGETS.get(bare, ()):
        if target in known:
            return Match(target, 0.99)
    if bare in OTHER:
        return None
    if close := difflib.get_close_matches(given, candidates, n=1, cutoff=CUTOFF):
        return Match(close[0], difflib.SequenceMatcher(None, close[0], given).ratio())
    longer = [one for one in candidates if len(bare) >= MIN_PREFIX and plain(one).startswith(bare)]
    return Match(longer[0], CUTOFF) if longer else None


def _candidates(given: str, names: Sequence[str]) -> Sequence[str]:
    """The names worth a full comparison, which takes some 0.1 ms: those that begin and end like the given one."""
    if len(names) <= MAX_COMPARED:
        return names
    of_length = sorted(names, key=lambda one: abs(len(one) - len(given)))[:MAX_SIFTED]

    def likeness(one: str) -> int:
        return _shared(one, given) + _shared(one[::-1], given[::-1])

    return sorted(of_length, key=likeness, reverse=True)[:MAX_COMPARED]


def _shared(one: str, other: str) -> int:
    """Number of characters with which both texts begin."""
    return next(
        (index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
