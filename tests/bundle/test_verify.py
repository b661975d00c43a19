"""`ablate verify` and the reviewer's `verify.py`: both recompute every table, and both find what was changed."""

from __future__ import annotations

import csv
import io
import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ablate.bundle.reviewer import verify as reviewer
from ablate.bundle.verify import verify
from ablate.data.add_folder import register
from ablate.study.plan import Plan, plan_document
from ablate.study.preregistration import Seen
from ablate.study.preregistration import register as fix_design
from ablate.tables.inputs import StudyState
from ablate.tables.tries import PairHistory
from ablate.trials.trial import TrialRecord
from tests.bundle.conftest import STUDY, draw_records, read_all, results_of, write, write_all
from tests.image_folders import write_folder

Files = dict[str, bytes]
GRID: dict[str, Any] = {
    "name": "grid", "seeds": 5, "base": {"dataset": "digits", "model": "resnet50"},
    "factors": [{"name": "window", "levels": ["1x1", "3x3", "5x5"]}, {"name": "combine", "levels": ["max", "sum"]}],
}  # fmt: skip
GROUPS: dict[str, Any] = {
    "name": "groups", "seeds": 7, "base": {"dataset": "digits"}, "metrics": ["top5_error_pct", "train_loss"],
    "rows": [
        {"label": f"{model} {name}", "group": model, "set": {"model": model, "activation": activation}}
        for model in ("resnet50", "mobilenet_v1_x0.75")
        for name, activation in (("=ReLU", "relu"), ("Swish", "swish"), ("FReLU", "frelu"))
    ],
}  # fmt: skip
EQUAL: dict[str, Any] = {
    **GROUPS, "name": "equal", "audit": True,
    "rows": [{**row, "label": row["label"].removeprefix(f"{row['group']} ")} for row in GROUPS["rows"]],
}  # fmt: skip
"""Labels that are equal in two groups."""
PIVOT: dict[str, Any] = {
    "name": "pivot", "seeds": 3, "base": {"dataset": "digits", "model": "resnet50"}, "table": {"pivot": "world"},
    "factors": [
        {"name": "window", "levels": ["1x1", "3x3"]},
        {"name": "world", "levels": [{"label": f"w{k}", "set": {"epochs": k}} for k in range(1, 7)]},
    ],
}  # fmt: skip
PRINTED: dict[str, Any] = {
    "name": "printed", "seeds": 3, "base": {"dataset": "digits", "model": "resnet50"},
    "rows": [{"label": label, "set": {"window": window}} for label, window in
             (("A 1x1", "1x1"), ("B 3x3", "3x3"), ("C 5x5", "5x5"), ("D 7x7", "7x7"))],
    "table": {"published": "T7", "baseline": "B 3x3"},
}  # fmt: skip
ONE_AT_A_TIME: dict[str, Any] = {
    **GRID, "name": "one", "design": "one_at_a_time",
    "factors": [{"name": "window", "levels": ["1x1", "5x5"]}, {"name": "combine", "levels": ["sum"]}],
}  # fmt: skip
LEAVE_OUT: dict[str, Any] = {
    **GRID, "name": "leave", "design": "leave_one_out", "seeds": 8,
    "factors": [{"name": "funnel", "off": {"activation": "relu"}}, {"name": "wide", "off": {"window": "1x1"}}],
}  # fmt: skip
DETECT: dict[str, Any] = {
    "name": "scenes", "seeds": 4, "audit": True, "metrics": ["ap50_pct"],
    "base": {"task": "detect", "dataset": "scenes-coco", "model": "resnet50", "backbone": {"dataset": "digits"}},
    "rows": [{"label": "ReLU", "set": {"activation": "relu"}}, {"label": "FReLU"}],
}  # fmt: skip
NULL: dict[str, Any] = {
    "name": "null", "seeds": 6, "base": {"task": "null"},
    "rows": [{"label": f"row {k}", "set": {"row": k}} for k in range(3)],
}  # fmt: skip


def lost(*places: tuple[str, int, str]) -> Callable[[Plan], dict[str, TrialRecord]]:
    return partial(draw_records, lost={(row, seed): how for row, seed, how in places})


def with_table(document: Mapping[str, Any], **table: Any) -> dict[str, Any]:
    return {**document, "table": {**document.get("table", {}), **table}}


CASES: dict[str, tuple[Mapping[str, Any], Callable[[Plan], dict[str, TrialRecord]]]] = {
    "sign flip": (STUDY, draw_records),
    "sign flip of twenty seeds": ({**STUDY, "seeds": 20}, draw_records),
    "paired t": ({**STUDY, "seeds": 4}, draw_records),
    "t by name": (with_table(STUDY, test="t"), draw_records),
    "flip by name": (with_table({**STUDY, "seeds": 3}, test="flip"), draw_records),
    "pooled": (with_table({**STUDY, "seeds": 3}, test="pooled"), partial(draw_records, step=2.0)),
    "pooled of two rows": (with_table({**STUDY, "rows": STUDY["rows"][:2], "seeds": 4}, test="pooled"), draw_records),
    "pooled that falls back": (with_table(STUDY, test="pooled"), lost(("window 1x1", 3, "failed"))),
    "equivalence": (with_table(STUDY, margin=5.0), partial(draw_records, step=0.01)),
    "another level": (with_table(STUDY, alpha=0.3), draw_records),
    "no spread": (STUDY, partial(draw_records, spread=0.0)),
    "all tie": (STUDY, partial(draw_records, spread=0.0, step=0.0)),
    "one seed": ({**STUDY, "seeds": 1}, draw_records),
    "one row": ({**STUDY, "rows": STUDY["rows"][1:2]}, draw_records),
    "groups": (GROUPS, draw_records),
    "equal labels in two groups": (EQUAL, lost(("resnet50 / =ReLU", 1, "failed"))),
    "equal labels in groups as columns": (with_table(EQUAL, pivot="group"), draw_records),
    "data sets as columns": (PIVOT, draw_records),
    "data sets as columns with lost runs": (PIVOT, lost(("window=3x3, world=w2", 1, "failed"))),
    "groups as columns": (with_table(GROUPS, pivot="group"), draw_records),
    "grid": (GRID, draw_records),
    "grid with holes": (GRID, lost(("window=5x5, combine=max", 0, "failed"))),
    "one at a time": (ONE_AT_A_TIME, draw_records),
    "leave one out": (LEAVE_OUT, draw_records),
    "printed numbers": (PRINTED, draw_records),
    "backbones and an audit": (DETECT, draw_records),
    "a task that trains nothing": (NULL, draw_records),
    "a pilot": ({**STUDY, "pilot": True}, draw_records),
    "lost runs": (STUDY, lost(("window 1x1", 0, "diverged"), ("window 5x5", 1, "failed"), ("window 3x3", 2, "failed"))),
    "many lost runs": (STUDY, lost(*[("window 7x7", seed, "diverged") for seed in range(6)])),
    "a row without any result": (STUDY, lost(*[("window 7x7", seed, "failed") for seed in range(8)])),
    "an unreported metric": (STUDY, lost(("window 1x1", 0, "unreported"))),
    "outstanding trials": (STUDY, lost(("window 1x1", 0, "missing"))),
}


@pytest.mark.parametrize("name", CASES)
def test_both_programs_recompute_every_number_of_a_table(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document, records = CASES[name]
    results = results_of(document, records)
    path = write(tmp_path / "out.zip", results)
    found = verify(path)
    assert (found.problems, found.differences) == ([], [])
    assert found.is_equal
    assert found.numbers > 2 * len(results.plan.rows)
    assert found.keys >= len(results.plan.rows) * len(results.plan.seeds)
    assert reviewer.main([str(path)]) == 0, capsys.readouterr().out
    assert capsys.readouterr().out.startswith("equal: ")


def test_a_bundle_of_an_earlier_version_keeps_its_labels_of_leave_one_out(tmp_path: Path) -> None:
    older = replace(results_of({**LEAVE_OUT, "minus_labels": True}), document=dict(LEAVE_OUT))
    assert [row.label for row in older.plan.rows] == ["full", "- funnel", "- wide"]
    path = write(tmp_path / "out.zip", older)
    found = verify(path)
    assert (found.problems, found.differences) == ([], [])
    assert reviewer.main([str(path)]) == 0
    lines = csv.reader(io.StringIO(read_all(path)["seeds.csv"].decode()))
    assert {line[0] for line in lines} == {"row", "full", "'- funnel", "'- wide"}


@pytest.mark.parametrize("measured", [True, False])
def test_a_bundle_without_measured_values_is_recomputed_too(tmp_path: Path, measured: bool) -> None:
    found = verify(write(tmp_path / "out.zip", results_of(STUDY), measured=measured))
    assert found.is_equal, (found.problems, found.differences)


def test_a_row_that_was_tried_before_is_recomputed_from_all_its_tries(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history = PairHistory(2, (0.5, -0.25, float("nan"), float("inf"), *[0.5] * 12))
    path = write(tmp_path / "out.zip", results_of(STUDY, state=StudyState(retried={"window 5x5": history})))
    assert verify(path).is_equal
    assert reviewer.main([str(path)]) == 0
    assert "tried before: window 5x5" in capsys.readouterr().out


def test_a_baseline_that_was_one_before_on_the_same_seeds_makes_no_study_exploratory(tmp_path: Path) -> None:
    plan = plan_document(STUDY)
    (baseline,) = (row.name for row in plan.rows if row.is_baseline)
    known = {plan.memberships[baseline, seed] for seed in plan.seeds}

    def draw(plan: Plan) -> dict[str, TrialRecord]:
        hour = {key: 9 if key in known else 11 for key in plan.trials}
        drawn = draw_records(plan)
        return {
            key: one.model_copy(update={"finished_at": f"2026-05-04T{hour[key]:02d}:00:00+00:00"})
            for key, one in drawn.items()
        }

    fixed = fix_design(plan, datetime(2026, 5, 4, 10, tzinfo=UTC))
    state = StudyState(registrations=[fixed], seen=Seen.of(draw(plan).values(), [baseline]))
    results = results_of(STUDY, draw, state=state)
    assert not results.table.exploratory
    found = verify(write(tmp_path / "out.zip", results))
    assert found.is_equal, (found.problems, found.differences)


def test_the_unpacked_folder_is_a_bundle_too(windows: Path, tmp_path: Path) -> None:
    for name, content in read_all(windows).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "any").write_text("of the reviewer")
    assert verify(tmp_path).is_equal
    assert reviewer.main([str(tmp_path)]) == 0


def digit_of(name: str, pattern: str) -> Callable[[Files], None]:
    """Change the last digit of the first number in a file that follows a pattern."""

    def change(files: Files) -> None:
        text = files[name].decode()
        found = re.search(pattern, text)
        assert found, name
        end = found.end(1) - 1
        files[name] = (text[:end] + str((int(text[end]) + 5) % 10) + text[end + 1 :]).encode()

    return change


def change_json(name: str, change: Callable[[Any], object]) -> Callable[[Files], None]:
    def apply(files: Files) -> None:
        document = json.loads(files[name])
        change(document)
        files[name] = json.dumps(document, indent=1).encode()

    return apply


def change_lines(change: Callable[[list[dict[str, str]]], list[dict[str, str]]]) -> Callable[[Files], None]:
    def apply(files: Files) -> None:
        lines = list(csv.DictReader(io.StringIO(files["seeds.csv"].decode(), newline="")))
        out = io.StringIO(newline="")
        writer = csv.DictWriter(out, lines[0])
        writer.writeheader()
        writer.writerows(change(lines))
        files["seeds.csv"] = out.getvalue().encode()

    return apply


def drop(name: str) -> Callable[[Files], None]:
    return lambda files: files.pop(name) and None


def swap_seeds(lines: list[dict[str, str]]) -> list[dict[str, str]]:
    lines[0]["value"], lines[2]["value"] = lines[2]["value"], lines[0]["value"]
    return lines


def hide_a_loss(lines: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{**lines[0], "value": "", "status": "failed"}, *lines[1:]]


TAMPERED: dict[str, Callable[[Files], None]] = {
    "one digit of a value": digit_of("seeds.csv", r",(\d+\.\d+),"),
    "one digit of a stored mean": digit_of("table.json", r'"mean": (\d+\.\d+)'),
    "one digit of a stored p": digit_of("table.json", r'"p_adj": (0\.\d\d\d)'),
    "one digit of table.md": digit_of("table.md", r"\| +(\d+\.\d+) ±"),
    "one digit of table.tex": digit_of("table.tex", r"(\d+\.\d+)"),
    "one digit of table.csv": digit_of("table.csv", r",(\d+\.\d+),"),
    "one digit of table.html": digit_of("table.html", r">(\d+\.\d+) ±"),
    "a decision": change_json(
        "table.json", lambda t: t["rows"][0]["cells"]["top1_error_pct"].update(decision="better")
    ),
    "one seed less": change_lines(lambda lines: lines[1:]),
    "one seed changed": change_lines(lambda lines: [{**lines[0], "seed": "99"}, *lines[1:]]),
    "a seed twice": change_lines(lambda lines: [lines[0], *lines]),
    "two seeds swapped": change_lines(swap_seeds),
    "a seed called lost": change_lines(hide_a_loss),
    "a seed in resolved.json": change_json("resolved.json", lambda r: r["seeds"].__setitem__(0, 77)),
    "a label in seeds.csv": change_lines(lambda lines: [{**lines[0], "row": "window 9x9"}, *lines[1:]]),
    "a label in table.json": change_json("table.json", lambda t: t["rows"][0].update(label="window 9x9")),
    "a label in resolved.json": change_json("resolved.json", lambda r: r["rows"][0].update(label="window 9x9")),
    "a label in study.json": change_json("study.json", lambda s: s["rows"][0].update(label="window 9x9")),
    "the level of the test": change_json("study.json", lambda s: s["table"].update(alpha=0.2)),
    "a resolved recipe": change_json("resolved.json", lambda r: r["rows"][0]["recipe"].update(lr=9.0)),
    "a recipe and its identity": change_json(
        "resolved.json",
        lambda r: [r["rows"][0][part].update(lr=9.0) for part in ("recipe", "identity")],
    ),
    "a recipe of the study": change_json("study.json", lambda s: s["base"].update(lr=9.0)),
    "a key": change_json("resolved.json", lambda r: r["rows"][0]["keys"].update({"0": "0" * 64})),
    "a trial that failed after all": change_json(
        "provenance.json", lambda p: next(iter(p["trials"].values())).update(status="failed")
    ),
    "a missing file": drop("curves.csv"),
    "a missing document": drop("seeds.csv"),
    "a file more": lambda files: files.update({"more.txt": b"x"}),
}
ONLY_ABLATE = {
    "one digit of table.md", "one digit of table.tex", "one digit of table.html", "a label in study.json",
    "a resolved recipe", "a recipe and its identity", "a recipe of the study", "a trial that failed after all",
    "the level of the test",
}  # fmt: skip
"""What the script says by name that it does not check, once a forger has made a manifest that fits."""
SIGNED_AND_WHOLE = {"a missing file", "a file more"}
"""What nothing shows once the manifest fits."""


@pytest.mark.parametrize("name", TAMPERED)
def test_whatever_is_changed_the_manifest_shows_it(
    name: str, windows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = read_all(windows)
    TAMPERED[name](files)
    path = write_all(tmp_path / "out.zip", files, signed=False)
    found = verify(path)
    assert not found.is_equal
    assert found.problems
    assert reviewer.main([str(path)]) in (1, 2)
    assert "equal" not in capsys.readouterr().out


@pytest.mark.parametrize("name", [name for name in TAMPERED if name not in SIGNED_AND_WHOLE])
def test_a_forger_who_also_makes_a_new_manifest_is_found_out(
    name: str, windows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = read_all(windows)
    TAMPERED[name](files)
    path = write_all(tmp_path / "out.zip", files, signed=True)
    if name == "a missing document":
        with pytest.raises(Exception, match=r"lacks 'seeds\.csv'"):
            verify(path)
        return
    found = verify(path)
    assert not found.is_equal
    assert found.problems or found.differences
    if name not in ONLY_ABLATE:
        assert reviewer.main([str(path)]) in (1, 2), capsys.readouterr().out


@pytest.mark.parametrize("seed", range(12))
def test_any_digit_of_any_value_matters(seed: int, windows: Path, tmp_path: Path) -> None:
    files, draws = read_all(windows), random.Random(seed)
    text = files["seeds.csv"].decode()
    spans = [found.span(1) for found in re.finditer(r",(\d+\.\d+),", text)]
    start, end = draws.choice(spans)
    digits = [
        text[:place] + digit + text[place + 1 :]
        for place in range(start, end)
        if text[place].isdigit()
        for digit in "0123456789"
    ]
    changed = draws.choice([one for one in digits if float(one[start:end]) != float(text[start:end])])
    files["seeds.csv"] = changed.encode()
    path = write_all(tmp_path / "out.zip", files, signed=True)
    found = verify(path)
    assert not found.is_equal
    assert any("values/" in one.field for one in found.differences)


def test_a_difference_names_row_metric_field_and_both_values(windows: Path, tmp_path: Path) -> None:
    files = read_all(windows)
    document = json.loads(files["table.json"])
    document["rows"][2]["cells"]["train_loss"]["mean"] = 0.125
    files["table.json"] = json.dumps(document).encode()
    found = verify(write_all(tmp_path / "out.zip", files, signed=True))
    assert any(
        (one.row, one.metric, one.field, one.stored) == ("window 5x5", "train_loss", "mean", "0.125")
        for one in found.differences
    )


def test_a_newer_bundle_is_refused_with_what_to_do(windows: Path, tmp_path: Path) -> None:
    files = read_all(windows)
    change_json("resolved.json", lambda r: r.update(format=2))(files)
    with pytest.raises(Exception, match="use the wheel in the bundle"):
        verify(write_all(tmp_path / "out.zip", files, signed=True))


def test_a_registered_folder_that_only_its_owner_has_is_a_remark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABLATE_DATA", str(tmp_path / "data"))
    register("mine", write_folder(tmp_path / "photos", {"cat": 12, "dog": 12}))
    document = {**STUDY, "base": {**STUDY["base"], "dataset": "mine"}}
    path = write(tmp_path / "out.zip", results_of(document))
    assert verify(path).remarks == ["as stored: the notes on when and where trials ran"]
    monkeypatch.setenv("ABLATE_DATA", str(tmp_path / "elsewhere"))
    found = verify(path)
    assert found.is_equal, found.problems
    assert any("is not registered here" in one for one in found.remarks)
    files = read_all(path)
    change_json("study.json", lambda s: s["base"].update(lr=9.0))(files)
    assert not verify(write_all(tmp_path / "forged.zip", files, signed=True)).is_equal


def test_a_study_that_cannot_be_planned_here_is_a_remark(tmp_path: Path) -> None:
    results = results_of(STUDY)
    document = {**STUDY, "base": {**STUDY["base"], "task": "robots"}}
    found = verify(write(tmp_path / "out.zip", replace(results, document=document)))
    assert any("cannot be planned here" in one for one in found.remarks)
