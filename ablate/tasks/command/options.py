"""The options of a script, as its own parser declares them."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from ablate.documents import Document
from ablate.errors import TrialError, quote

PATIENCE_S = 120
"""How long a script may take to its parser: the import of torch takes seconds, on a cold disk a minute."""
ASK_PARSER = Path(__file__).with_name("ask_parser.py")
_HELP_LINE = re.compile(r"^\s+(?:-\w, )?(--(?:\[no\])?[\w-]+)(?:[ =]([A-Z_{<\[][^\s]*))?(:(?=\s))?\s*(.*)$")


class Option(Document):
    """An option of a script.

    Attributes:
        name: its name in the program, such as `no_gate`.
        names: as it is written, such as `--no-gate`; empty for a positional argument.
        default: as JSON has it; None if there is none.
        type: name of the function that converts it.
        choices: values that are allowed.
        help: what it is for.
        is_flag: whether it takes no value.
        is_switch: whether it is a flag with an opposite (`--gate`, `--no-gate`).
        is_list: whether it takes several values.
        is_repeated: whether each value is given with the name of the option, as in `--layer 1 --layer 2`.
        is_required: whether it has to be given.
        is_help: whether it only prints something.
        is_group: whether it stands for a command of the script.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    names: list[str] = Field(default_factory=list)
    default: Any = None
    type: str | None = None
    choices: list[Any] | None = None
    help: str = ""
    is_flag: bool = False
    is_switch: bool = False
    is_list: bool = False
    is_repeated: bool = False
    is_required: bool = False
    is_help: bool = False
    is_group: bool = False

    @property
    def written(self) -> str:
        """Its long name as written."""
        return max(self.names, key=lambda name: (name.startswith("--") and not name.startswith("--no-"), len(name)))


Kind = Literal["argparse", "click", "typer", "fire", "help"]


def read_options(script: Path, python: str, further: Sequence[str] = ()) -> tuple[Kind, list[Option]]:
    """Ask a script for its options: its parser where it can be intercepted, else the text of `--help`.

    The script runs up to its parser, so it should not train anything before.

    Args:
        script: the file.
        python: the interpreter.
        further: arguments before the options, such as the name of a command.

    Returns:
        How they were found, and the options.

    Raises:
        TrialError: the script fails before it parses its options, or has none.
    """
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "options.json"
        done = _call([python, str(ASK_PARSER), str(target), str(script), *further, "--help"], script)
        if target.exists():
            found = json.loads(target.read_text(encoding="utf-8"))
            try:
                options = [Option.model_validate(one) for one in found["options"]]
            except ValidationError as error:
                raise TrialError(
                    f"the options of {quote(script.name)} cannot be read: {error.errors()[0]['msg']}"
                ) from error
            return found["kind"], _without_help(options, script)
    options = list(_of_help(done.stdout or done.stderr))
    if options:
        return "help", options
    last = "\n".join(done.stderr.strip().splitlines()[-3:])
    why = f"; it ended with status {done.returncode}: {last}" if done.returncode else ""
    raise TrialError(
        f"{quote(script.name)} has no parser that ablate can read (argparse, click, typer, fire), and prints no "
        f"options with --help{why}. Name its options as `--field lr=0.1`; --style says how they are passed: options "
        "(--lr 0.1), equals (--lr=0.1), hydra (lr=0.1) or env (environment variables)"
    )


def _call(command: list[str], script: Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=PATIENCE_S, check=False,
            cwd=script.parent, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise TrialError(
            f"{quote(script.name)} did not parse its options in {PATIENCE_S} s; it should do so before it loads data"
        ) from error
    except OSError as error:
        raise TrialError(f"{quote(command[0])} cannot be started: {error.strerror}") from error


def _without_help(options: list[Option], script: Path) -> list[Option]:
    groups = [option for option in options if option.is_group]
    if groups:
        names = ", ".join(map(str, groups[0].choices or ())) or "see its --help"
        raise TrialError(f"{quote(script.name)} has commands ({names}); name one: `ablate init {script.name} COMMAND`")
    return [option for option in options if not option.is_help]


def _of_help(text: str) -> Iterator[Option]:
    """The options in a help text: `--lr LR  learning rate (default: 0.1)`, also with the default on a later line."""
    lines = text.splitlines()
    starts = [index for index, line in enumerate(lines) if _HELP_LINE.match(line)]
    for start, end in pairwise([*starts, len(lines)]):
        match = _HELP_LINE.match(lines[start])
        assert match is not None
        known = re.search(
            r"\[?\(?\bdefault:?\s+([^\]\);,]+)", " ".join([match[4], *lines[start + 1 : end]]), re.IGNORECASE
        )
        default = _value_of(known[1].split("  ")[0].strip()) if known else None
        name = match[1][2:]
        if match[1] in ("--help", "--version"):
            continue
        if name.startswith("[no]"):  # of absl: a flag with its opposite
            name = name.removeprefix("[no]") if default != "true" else name.replace("[no]", "no")
            yield Option(name=name, names=[f"--{name}"], help=match[4].strip(), is_flag=True)
            continue
        choices = match[2][1:-1].split(",") if match[2] and match[2].startswith("{") else None
        is_flag = match[2] is None and match[3] is None  # absl writes `--lr: text` for options with a value
        help_ = match[4].strip()
        yield Option(
            name=name.replace("-", "_"), names=[match[1]], help=help_, choices=choices, default=default, is_flag=is_flag
        )


def _value_of(text: str) -> int | float | str:
    bare = text.strip("'\"")  # absl writes numbers in quotation marks, too
    for kind in (int, float):
        try:
            return kind(bare)
        except ValueError:
            continue
    return bare
