"""A first study file for a script: its options as fields, a guess at the seed and the metric, three rows."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any, Literal

from ablate.names import WORDS
from ablate.study.command import is_taken
from ablate.tasks.command.options import Option

SEEDS = ("seed", "random_seed", "rng_seed", "manual_seed", "random_state")
FOLDERS = (
    "out", "output", "output_dir", "out_dir", "outdir", "save_dir", "save_path", "workdir", "work_dir", "log_dir",
    "logdir", "checkpoint_dir", "ckpt_dir", "run_dir", "results_dir", "exp_dir", "default_root_dir",
)  # fmt: skip
MANY = 40
"""Number of options above which only the usual ones become fields, and those that the script itself names."""
USUAL = frozenset(
    name
    for field in ("lr", "epochs", "steps", "batch_size", "weight_decay", "warmup_steps", "label_smoothing", "dropout")
    for name in (field, *WORDS[field].split())
) | {*SEEDS, *FOLDERS}
METRIC = re.compile(
    r"""["']((?:(?:val|valid|validation|test|eval|dev)[_/ ])?"""
    r"""(?:top1|top_1|acc1|accuracy|acc|f1|auc|auroc|map|miou|iou|bleu|rouge|r2|loss|error|err|rmse|mse|mae|ppl|perplexity|bpc))["']""",
    re.IGNORECASE,
)
PRINTED = re.compile(
    r"(?<![A-Za-z0-9])(?P<name>(?:(?:val|valid|validation|test|eval|dev)[_/ ])?"
    r"(?:top1|acc1|accuracy|acc|f1|auc|auroc|map|miou|iou|bleu|rouge|r2|loss|error|err|rmse|mse|mae|ppl|perplexity|bpc))"
    r"(?P<between>\s*[:= ]\s*)(?=[{%]|[\"']\s*,)",
    re.IGNORECASE,
)
LOW_IS_GOOD = re.compile(r"loss|err|rmse|mse|mae|ppl|perplexity|bpc", re.IGNORECASE)
Style = Literal["options", "equals", "hydra", "env"]


@dataclass(frozen=True, slots=True)
class DraftField:
    """A field of the draft: its name, its value, how it is written in the command, and a remark."""

    name: str
    toml: str
    words: str
    remark: str = ""
    other: str | None = None
    """Another value, for an example row; None if none is known."""


def draft_study(
    script: str, source: str, options: Sequence[Option], further: Sequence[str] = (), *, python: str | None = None
) -> str:
    """The text of a study file.

    Args:
        script: path of the script, relative to the study's file.
        source: its text, in which names of metrics are looked for.
        options: its options.
        further: arguments before the options.
        python: the interpreter, if it is not the default one.
    """
    words = [_launcher(source, python), script, *further]
    fields: list[DraftField] = []
    left: list[str] = []
    is_chosen = set(re.findall(r"\w+", source)) | USUAL
    for option in options:
        if len(options) > MANY and not option.is_required and option.name not in is_chosen:
            left.append(option.written if option.names else option.name)
        elif option.name in SEEDS and option.names:
            words += [option.written, "{seed}"]
        elif option.name in FOLDERS and option.names and not option.is_flag:
            words += [option.written, "{workdir}"]
        elif (field := _field_of(option)) is not None:
            fields.append(field)
            words.append(field.words)
        elif option.names:
            left.append(option.written)
    return _text(script, source, " ".join(words), fields, left, python=python)


def draft_of_fields(script: str, source: str, given: Sequence[str], style: Style, *, python: str | None = None) -> str:
    """The text of a study file for a script whose options are named by hand, as `lr=0.1`.

    Raises:
        ValueError: a field is not written as `name=default`.
    """
    fields = []
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_][\w.-]*", name):
            raise ValueError(f"'{text}' is not a field with a default; write it as name=default, such as lr=0.1")
        known = re.sub(r"\W", "_", name)
        known = f"{known.strip('_')}_" if is_taken(known) else known
        before = {"options": f"--{name} ", "equals": f"--{name}=", "hydra": f"{name}=", "env": f"{name}="}[style]
        written = f"{before}{{{known}}}"
        fields.append(DraftField(known, _toml_of(value), written, other=_other(_parsed(value))))
    seed = {"hydra": "seed={seed}", "env": "SEED={seed}", "options": "--seed {seed}", "equals": "--seed={seed}"}[style]
    inside = [*(field.words for field in fields), seed]
    program = f"{_launcher(source, python)} {script}"
    run = f"env {' '.join(inside)} {program}" if style == "env" else f"{program} {' '.join(inside)}"
    return _text(script, source, run, fields, [], python=python)


def _launcher(source: str, python: str | None) -> str:
    """What runs a script: `uv run` if the script lists its packages for it (PEP 723) and no interpreter is named."""
    return "uv run" if python is None and re.search(r"^# /// script\s*$", source, re.MULTILINE) else "python"


def _field_of(option: Option) -> DraftField | None:
    name = re.sub(r"\W", "_", option.name)
    name = f"{name.strip('_')}_" if is_taken(name) else name
    help_ = " ".join(option.help.split())
    if option.is_flag or option.is_switch:
        return _flag_of(option, name, help_)
    default = option.default
    if default is None and option.is_required:
        default = [] if option.is_list else ""
        help_ = f"required: fill in. {help_}".strip()
    if option.is_repeated and option.names:
        given = [[option.written, *(one if isinstance(one, list) else [one])] for one in default or ()]
        arguments = [argument for one in given for argument in one]
        return DraftField(
            name, json.dumps(arguments), f"{{{name}}}", f"with {option.written} before each. {help_}".strip()
        )
    if default is None or (isinstance(default, list) and any(one is None for one in default)):
        return None
    words = f"{option.written} {{{name}}}" if option.names else f"{{{name}}}"
    if option.type == "float" and isinstance(default, int) and not isinstance(default, bool):
        default = float(default)
    if option.choices and default in option.choices:
        other = next((json.dumps(one) for one in option.choices if one != default), None)
        table = f"{{ default = {json.dumps(default)}, choices = {json.dumps(option.choices)} }}"
        return DraftField(name, table, words, help_, other)
    if option.type == "bool" and isinstance(
        default, bool
    ):  # of argparse, for which every text but the empty one is true
        true_first = ["True", ""] if default else ["", "True"]
        table = f"{{ default = {json.dumps(true_first[0])}, choices = {json.dumps(true_first)} }}"
        return DraftField(name, table, words, f"the empty text is false. {help_}".strip(), json.dumps(true_first[1]))
    if isinstance(default, bool):  # a parser that converts text, such as `type=str2bool`
        return DraftField(name, json.dumps(default), words, help_, json.dumps(not default))
    return DraftField(name, json.dumps(default), words, help_, _other(default))


def _flag_of(option: Option, name: str, help_: str) -> DraftField:
    is_on = option.default is True
    flag = next((one for one in option.names if one.startswith("--no-") == is_on), option.written)
    if option.is_switch and is_on:
        name = f"no_{name}"
    elif not option.is_switch:
        flag, name = option.written, re.sub(r"\W", "_", option.written.lstrip("-"))
    return DraftField(name, f"{{ default = false, flag = {json.dumps(flag)} }}", f"{{{name}}}", help_, "true")


def _other(value: Any) -> str | None:
    """Another value of a number, for an example row."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value == 0:
        return None
    return json.dumps(value * 2 if isinstance(value, int) else float(f"{value * 3:.3g}"))


def _shown(value: str | None) -> str:
    return (value or "").strip('"')


def _parsed(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float | list) else text


def _toml_of(text: str) -> str:
    return json.dumps(_parsed(text))


def _text(
    script: str, source: str, run: str, fields: Sequence[DraftField], left: Sequence[str], *, python: str | None
) -> str:
    is_module = script.startswith("-m ")
    name = (
        re.sub(
            r"[^A-Za-z0-9._-]+", "-", Path(script.removeprefix("-m ").replace(".", "/") if is_module else script).stem
        ).strip("-._")
        or "study"
    )
    metric, goal, is_found = guess_metric(source)
    printed = None if is_found else guess_printed(source)
    if printed:
        metric, goal, is_found = printed, "min" if is_low(printed) else "max", True
    width = max((len(f"{field.name} = {field.toml}") for field in fields), default=0)
    lines = [
        f"# A study of {script}, drafted by `ablate init`. Edit it, then:",
        f"#     ablate check {name}.toml      # rows and trials, nothing is trained",
        f"#     ablate run {name}.toml        # trains, prints the table; the same command resumes",
        f"name = {json.dumps(name)}",
        "seeds = 5        # every row is trained with seeds 0 to 4",
        "",
        "[command]",
        "# {name} stands for a field, {seed} for the seed, {workdir} for a folder of the trial. No shell runs it.",
        f"run = {json.dumps(run)}",
        *([f"python = {json.dumps(python)}"] if python else []),
    ]
    if "{seed}" not in run:
        lines.append("# The script has no option for the seed: it should read the variable ABLATE_SEED.")
    guess = "" if is_found else "   # not found in the script: name yours"
    lines += [
        "# What a row is judged by. The script prints it as JSON, such as "
        + f'{{"step": 1, {json.dumps(metric)}: 0.5}}, or calls ablate.report({_argument(metric)}=0.5).',
        f"metrics = {{ {_key(metric)} = {json.dumps(goal)} }}{guess}",
        "# Other lines are read by a regular expression, and files by their names; remove the '#' of what you need:",
        _pattern_line(source, metric, is_printed=printed is not None),
        "# files = ['metrics.csv']",
        "",
        "[command.fields]",
        *(_field_line(field, width) for field in fields),
    ]
    if left:
        lines += wrap(
            f"Options that are not passed, so that their defaults hold: {', '.join(left)}",
            118,
            initial_indent="# ",
            subsequent_indent="# ",
            break_on_hyphens=False,
        )
    return "\n".join([*lines, "", *_rows(fields)]) + "\n"


def _field_line(field: DraftField, width: int) -> str:
    line = f"{field.name} = {field.toml}"
    remark = field.remark[:80] + ("..." if len(field.remark) > 80 else "")
    return f"{line:<{min(width, 48)}}   # {remark}" if remark else line


def _rows(fields: Sequence[DraftField]) -> list[str]:
    examples = [field for field in fields if field.other is not None]
    flags = [field for field in examples if "flag" in field.toml]
    chosen = [*flags[:1], *(field for field in examples if field not in flags)][:2]
    lines = ["[[rows]]", 'label = "as it is"', ""]
    for field in chosen:
        label = field.name.replace("_", " ") if field in flags else f"{field.name} = {_shown(field.other)}"
        lines += ["[[rows]]", f"label = {json.dumps(label)}", f"set = {{ {field.name} = {field.other} }}", ""]
    return lines[:-1]


def guess_metric(source: str) -> tuple[str, Literal["min", "max"], bool]:
    """A metric that a script names as text, its goal, and whether one was found; of several the best known.

    A metric on validation or test data comes before others, and an accuracy before a loss.
    """
    found = dict.fromkeys(match[1] for match in METRIC.finditer(source))
    if not found:
        return "accuracy", "max", False
    if "transformers" in source:  # its Trainer puts this before the names of `compute_metrics`
        found = {name if name.startswith(("eval_", "test_")) else f"eval_{name}": None for name in found}
    ranked = sorted(found, key=lambda name: (not re.match(r"val|test|eval|dev", name, re.IGNORECASE), is_low(name)))
    return ranked[0], "min" if is_low(ranked[0]) else "max", True


def guess_printed(source: str) -> str | None:
    """A metric that a script prints next to its name, as in `val_acc: {acc:.4f}` or `val_acc=%.4f`."""
    found = dict.fromkeys(_argument(match["name"]) for match in PRINTED.finditer(source))
    return guess_metric(" ".join(f"'{name}'" for name in found))[0] if found else None


def _pattern_line(source: str, metric: str, *, is_printed: bool) -> str:
    """The pattern that finds the metric in the output, as a comment if the script does not print it so."""
    name = _argument(metric)
    if not is_printed:
        return f"# pattern = '{name}=(?P<{name}>[-+.0-9eE]+)'"
    written = next(match for match in PRINTED.finditer(source) if _argument(match["name"]) == metric)
    before = re.escape(written["name"]).replace("\\ ", " ") + (
        rf"\s*{sign}\s*" if (sign := written["between"].strip()) else r"\s*"
    )
    return f"pattern = '{before}(?P<{name}>[-+.0-9eE]+)'"


def is_low(name: str) -> bool:
    """Whether a lower value of a metric is better, by its name."""
    return bool(LOW_IS_GOOD.search(name))


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def _argument(name: str) -> str:
    return re.sub(r"\W", "_", name)
