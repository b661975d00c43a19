"""Complete request bodies; the OpenAPI document shows them, and a test posts each of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SMALL_BASE = {
    "model": "resnet50", "dataset": "digits", "width": 0.0625, "depth": [1, 1, 1, 1], "stem": "small",
    "stages": [2, 3], "batch_size": 64, "steps": 110, "schedule": "onecycle", "lr": 0.1, "augment": "crop",
}  # fmt: skip
"""Half a minute on two cores: a network of a few thousand parameters on scikit-learn's digits."""

ROWS = {
    "study": {
        "name": "first",
        "title": "ReLU or FReLU, on digits",
        "seeds": 2,
        "base": SMALL_BASE,
        "rows": [{"label": "ReLU", "set": {"activation": "relu"}}, {"label": "FReLU"}],
    }
}

GRID = {
    "study": {
        "name": "windows",
        "question": "Does the window matter, and does the norm?",
        "seeds": 3,
        "base": SMALL_BASE,
        "scales": {"mini": {"steps": 60}},
        "factors": [
            {"name": "window", "levels": ["1x1", "3x3", "5x5"]},
            {"name": "norm", "levels": ["bn", {"label": "without", "set": {"norm": "none"}}]},
        ],
        "exclude": [{"window": "5x5", "norm": "without"}],
        "table": {"baseline": "window=3x3, norm=bn"},
    },
    "scale": "mini",
    "seeds": 2,
    "priority": 10,
}

LEAVE_ONE_OUT = {
    "study": {
        "name": "recipe",
        "design": "leave_one_out",
        "seeds": [0, 1],
        "base": SMALL_BASE | {"nesterov": True, "label_smoothing": 0.1},
        "factors": [
            {"name": "nesterov", "off": {"nesterov": False}},
            {"name": "smoothing", "off": {"label_smoothing": 0.0}},
        ],
    },
    "fresh": False,
}

SUBMISSIONS: Mapping[str, Any] = {
    "rows": {"summary": "Two named rows", "value": ROWS},
    "grid": {"summary": "A grid of factors, with one combination excluded", "value": GRID},
    "leave_one_out": {"summary": "One component left out at a time", "value": LEAVE_ONE_OUT},
}

EXTENSIONS: Mapping[str, Any] = {
    "total": {"summary": "A total number of seeds", "value": {"seeds": 4}},
    "seeds": {"summary": "Additional seeds", "value": {"seeds": [100, 101]}},
    "rows": {
        "summary": "An additional row",
        "value": {"rows": [{"label": "FReLU 5x5", "set": {"activation": "frelu", "window": "5x5"}}]},
    },
}

SCHEDULES: Mapping[str, Any] = {
    "nightly": {
        "summary": "Every night at 02:00 Berlin time: train the baseline again and compare",
        "value": {"name": "nightly", "cron": "0 2 * * *", "tz": "Europe/Berlin", **ROWS, "seeds": 1},
    },
    "weekly": {
        "summary": "New seeds every Sunday; firings missed while the service was down are skipped",
        "value": {
            "name": "weekly", "cron": "30 4 * * SUN", "mode": "fresh", **ROWS, "missed": "skip", "jitter_s": 600,
        },
    },
}  # fmt: skip

CHANGES: Mapping[str, Any] = {
    "pause": {"summary": "Pause the schedule", "value": {"paused": True}},
    "move": {"summary": "Change the time", "value": {"cron": "15 3 * * MON-FRI", "tz": "America/New_York"}},
}

ACKNOWLEDGEMENTS: Mapping[str, Any] = {
    "new": {"summary": "The change is intended", "value": {"reason": "torch was upgraded"}},
    "kept": {
        "summary": "The cause was an error and is fixed",
        "value": {"reason": "the data were restored", "keep_reference": True},
    },
}

PAPERS: Mapping[str, Any] = {
    "one": {"summary": "One table, three seeds", "value": {"tables": ["T5"], "scale": "mini", "seeds": 3}},
    "all": {"summary": "Every table that has a study file, at scale mini", "value": {}},
}
