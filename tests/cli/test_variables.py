"""Variables of the environment that are spelt wrong are named."""

from __future__ import annotations

import pytest

from ablate.cli.variables import INTERNAL, PREFIX, SETTINGS, describe_unknown
from service.settings import Settings


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("ABLATE_HOMEE", "; did you mean ABLATE_HOME?"),
        ("ABLATE_WORKER", "; did you mean ABLATE_WORKERS?"),
        ("ABLATE_TRACKING_URL", "; did you mean ABLATE_TRACKING_URI?"),
        ("ABLATE_PORT", "; use `ablate serve --port`"),
        ("ABLATE_XYZZY", ": ablate has no setting of that name"),
    ],
)
def test_a_variable_that_nothing_reads_is_named_with_the_right_one(name: str, advice: str) -> None:
    assert describe_unknown(["PATH", name]) == [f"the variable {name} has no effect{advice}"]


def test_every_setting_is_known_in_any_case_and_no_other() -> None:
    assert {name.lower() for name in SETTINGS} == set(Settings.model_fields)
    assert describe_unknown([PREFIX + name for name in (*SETTINGS, *INTERNAL)] + ["ablate_home", "NOT_OURS"]) == []
