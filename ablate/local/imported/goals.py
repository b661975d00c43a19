"""Whether a higher or a lower value of a metric is better, by its name."""

from __future__ import annotations

import re
from typing import Literal

from ablate.errors import TableError, quote

Goal = Literal["max", "min"]
LOW = frozenset(
    {
        "loss", "error", "err", "errors", "rmse", "mse", "mae", "mape", "ppl", "perplexity", "bpc", "bpb", "bpd", "nll",
        "fid", "kid", "wer", "cer", "ter", "lpips", "ece", "brier", "regret", "divergence", "kl", "eer", "latency",
    }
)  # fmt: skip
HIGH = frozenset(
    {
        "acc", "accuracy", "top1", "top5", "acc1", "acc5", "f1", "auc", "auroc", "auprc", "ap", "map", "ap50", "ap75",
        "miou", "iou", "dice", "bleu", "rouge", "rougel", "rouge1", "rouge2", "meteor", "chrf", "r2", "precision",
        "recall", "sensitivity", "specificity", "score", "reward", "return", "returns", "psnr", "ssim", "em", "mcc",
        "kappa", "hit", "hits", "ndcg", "mrr", "correct", "success", "elo", "pass",
    }
)  # fmt: skip
LOW_ENDS, HIGH_ENDS = ("loss", "error", "perplexity"), ("acc", "accuracy", "f1", "auc", "bleu", "iou")
"""Ends of words that are written without a separator, such as `valloss`."""


def goal_of(name: str) -> Goal | None:
    """The goal of a metric; None if its name does not tell. Of `top1_error`, the error decides."""
    words = re.split(r"[^a-z0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
    if LOW & {*words} or any(word.endswith(LOW_ENDS) for word in words):
        return "min"
    if HIGH & {*words} or any(word.endswith(HIGH_ENDS) for word in words):
        return "max"
    return None


def rank_of(name: str) -> tuple[bool, bool, bool]:
    """The place of a metric among those from which the primary one is guessed: first those on data not trained on."""
    is_train = bool(re.search(r"train|(?:^|[^a-z])(?:tr|fit)[_/. ]", name, re.IGNORECASE))
    is_held_out = bool(re.search(r"val|test|eval|dev|held", name, re.IGNORECASE))
    return is_train, not is_held_out, goal_of(name) == "min"


def read_metric(text: str) -> tuple[str, Goal | None]:
    """A metric as the command line has it: its name, or `NAME=max`."""
    name, separator, goal = text.rpartition("=")
    if not separator:
        return text, None
    if goal == "max":
        return name, "max"
    if goal == "min":
        return name, "min"
    raise TableError(f"--metric {quote(text)}: after = comes max (higher is better) or min, as in {name or 'acc'}=max")
