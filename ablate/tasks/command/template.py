"""The command line of a script: a text with placeholders, and the arguments that it becomes for a recipe."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any

from ablate.errors import Problem, nearest
from ablate.study.command import FOLD, CommandSpec, FieldSpec

RUN = "/command/run"
PYTHONS = ("python", "python3")
"""First words that stand for the interpreter of a command."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a command: parts of text, each with the placeholder that follows it (None at the end)."""

    parts: tuple[tuple[str, str | None], ...]

    @property
    def names(self) -> list[str]:
        """Its placeholders."""
        return [name for _, name in self.parts if name is not None]

    @property
    def text(self) -> str:
        """Its text without the placeholders."""
        return "".join(literal for literal, _ in self.parts)

    @property
    def alone(self) -> str | None:
        """The placeholder that is the whole word; None for any other word."""
        return self.parts[0][1] if len(self.parts) == 1 and not self.parts[0][0] else None


def words_of(run: str) -> list[Word]:
    """The words of a command, split as a shell does; quotation marks keep a word together.

    Raises:
        ValueError: a quotation mark is not closed, or a brace is not part of a placeholder. The text says what to do.
    """
    try:
        words = shlex.split(run)
    except ValueError as error:
        raise ValueError(f"{str(error).lower()}; close the quotation mark") from error
    return [_word_of(word) for word in words]


def _word_of(text: str) -> Word:
    try:
        parsed = list(Formatter().parse(text))
    except ValueError as error:
        raise ValueError(f"{str(error).lower()}; write a brace that is no placeholder twice: {{{{ or }}}}") from error
    for _, name, form, conversion in parsed:
        if name is not None and (form or conversion or not name.isidentifier()):
            raise ValueError(f"'{{{name}}}' is not a placeholder; write the name of a field between the braces")
    return Word(tuple((literal, name) for literal, name, _, _ in parsed) or (("", None),))


def program_of(words: Sequence[str]) -> int:
    """The place of the program in a command: the first word, or, after `env`, the first that sets no variable."""
    if not words or words[0] != "env":
        return 0
    return next(
        (place for place, word in enumerate(words) if place and "=" not in word and not word.startswith("-")), 0
    )


def find_problems(spec: CommandSpec) -> Iterator[Problem]:
    """What is wrong with a command line: its quotation, its placeholders, its fields."""
    try:
        words = words_of(spec.run)
    except ValueError as error:
        yield Problem(RUN, "invalid", str(error))
        return
    if not words:
        yield Problem(RUN, "invalid", "is empty; give the command that trains one trial")
        return
    used = {name for word in words for name in word.names}
    allowed = [*spec.fields, *spec.reserved]
    for name in sorted(used - set(allowed)):
        advice = "; write folds = 5 at the top of the study" if name == FOLD else nearest(name, allowed)
        yield Problem(RUN, "unknown_field", f"placeholder '{{{name}}}' is not a field{advice}")
    for name in (name for name in spec.fields if name not in used):
        text = f"field '{name}' is not in the command; write {{{name}}} where its value belongs, or remove the field"
        yield Problem(f"/command/fields/{name}", "idle", text)
    for name in {name for word in words if word.alone is None for name in word.names} & spec.fields.keys():
        if spec.fields[name].type == "list" or spec.fields[name].flag:
            text = f"'{{{name}}}' becomes any number of arguments, so it has to be a word of its own"
            yield Problem(RUN, "invalid", text)


def arguments_of(words: list[Word], fields: Mapping[str, FieldSpec], values: Mapping[str, Any]) -> list[str]:
    """The arguments of a command.

    Args:
        words: of the command.
        fields: name -> declaration.
        values: value of each placeholder.
    """
    found: list[str] = []
    for word in words:
        name = word.alone
        field = fields.get(name or "")
        if name is not None and field is not None and field.type == "list":
            found.extend(map(text_of, values[name]))
        elif name is not None and field is not None and field.flag:
            found.extend([field.flag] if values[name] else [])
        else:
            found.append("".join(literal + text_of(values[one] if one else "") for literal, one in word.parts))
    return found


def text_of(value: object) -> str:
    """A value as an argument: numbers as Python prints them, truth values as `true` and `false`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)
