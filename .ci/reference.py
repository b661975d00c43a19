"""`make docs`: writes the generated tables of the READMEs; `--check` only reports the files whose tables are stale.

Commands come from typer, REST calls from OpenAPI, recipe fields from the recipes, environment variables from the
settings. A table is between two lines that no renderer of Markdown shows:

    [//]: # (generated: commands of the library)
    [//]: # (end)
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import typer.main

from ablate.cli.app import app
from ablate.study.field_catalog import describe_fields
from ablate.trials.registry import get_task
from service.app import PREFIX, create_app
from service.cli import main as _service_commands  # noqa: F401 - adds the service's commands to the app
from service.context import open_context
from service.settings import Settings

ROOT = Path(__file__).parents[1]
READMES = tuple(ROOT / name for name in ("README.md", "ablate/README.md", "service/README.md", "studies/README.md"))
BLOCK = re.compile(r"(\[//\]: # \(generated: ([^)\n]+)\)\n)(.*?)(\[//\]: # \(end\)\n)", re.DOTALL)
EVERYWHERE = {"--url", "--json", "--help"}
"""Options that many commands have; the text above the table explains them once."""

INTERNAL_VARIABLES = {
    "ABLATE_LIFELINE", "ABLATE_TRIAL_GPUS", "ABLATE_REPORT", "ABLATE_SEED", "ABLATE_FOLD", "ABLATE_WORKDIR",
    "ABLATE_ATTEMPT", "ABLATE_KEY",
}  # fmt: skip
"""Variables that a process of ablate sets for its children and for scripts, and nobody else."""

Row = tuple[str, ...]


def main(arguments: list[str]) -> int:
    """Write the tables, or check them. Returns the exit status: 1 where a table is stale."""
    stale = [path for path in READMES if path.exists() and update(path.read_text("utf-8")) != path.read_text("utf-8")]
    for path in stale:
        name = path.relative_to(ROOT)
        if "--check" in arguments:
            print(f"{name}: a generated table is stale; run `make docs`", file=sys.stderr)
        else:
            path.write_text(update(path.read_text("utf-8")), "utf-8")
            print(f"{name}: tables written")
    return 1 if stale and "--check" in arguments else 0


def update(text: str) -> str:
    """A README with each of its generated tables as it should be.

    Raises:
        KeyError: a marker names no table.
    """
    return BLOCK.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n{found[4]}", text)


def commands(package: str) -> str:
    """The commands that a package defines, with their arguments and options."""
    rows = [_command_row(name, command) for name, command in walk() if command.callback.__module__.startswith(package)]
    return table(("command", "options", "does"), rows)


def walk() -> Iterator[tuple[str, Any]]:
    """Every command with its full name, such as `schedule add`."""
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        below = getattr(command, "commands", None)
        if below is None:
            yield name, command
        else:
            yield from ((f"{name} {verb}", child) for verb, child in below.items())


def _command_row(name: str, command: Any) -> Row:
    arguments = [_argument(one) for one in command.params if one.param_type_name == "argument"]
    options = [_option(one) for one in command.params if one.param_type_name == "option" and not one.hidden]
    listed = " ".join(f"`{text}`" for option, text in options if option not in EVERYWHERE)
    return f"`{' '.join(['ablate', name, *arguments])}`", listed, first_paragraph(command.help)


def _argument(argument: Any) -> str:
    text = (argument.metavar or argument.name.upper()) + ("..." if argument.nargs == -1 else "")
    return text if argument.required else f"[{text}]"


def _option(option: Any) -> tuple[str, str]:
    name = option.opts[0]
    return name, name if option.is_flag else f"{name} {option.metavar or option.name.upper()}"


def calls() -> str:
    """The REST calls of the OpenAPI document, in its order."""
    with tempfile.TemporaryDirectory() as folder:
        context = open_context(Settings(home=Path(folder), database_url=None, tracking_uri="off"))
        try:
            paths = create_app(context).openapi()["paths"]
        finally:
            context.store.close()
    rows = [
        _call_row(method, path, operation) for path, methods in paths.items() for method, operation in methods.items()
    ]
    return table(("call", "parameters", "does"), rows)


def _call_row(method: str, path: str, operation: Mapping[str, Any]) -> Row:
    names = [f"`{one['name']}`" for one in operation.get("parameters", ()) if one["in"] != "path"]
    address = path.removeprefix(PREFIX) if path.startswith(PREFIX) else path
    return f"`{method.upper()} {address}`", " ".join(names), first_paragraph(operation.get("description", ""))


def fields(task: str, *, without: str | None = None) -> str:
    """The fields of a task's recipe; `without` leaves out those that another task has in the same words."""
    known = set(_field_rows(without)) if without else set()
    return table(("field", "default", "type", "meaning"), [row for row in _field_rows(task) if row not in known])


def _field_rows(task: str) -> Iterator[Row]:
    for field in describe_fields(get_task(task).task.Recipe):
        default = json.dumps(field["default"], ensure_ascii=False)
        yield f"`{field['name']}`", f"`{default}`", field["type"], field["text"]


def variables() -> str:
    """The environment variables: of the settings, and those that commands and data sets read themselves."""
    found = {f"ABLATE_{name.upper()}": _variable(name) for name in Settings.model_fields}
    rows = [(f"`{name}`", *columns) for name, columns in found.items()]
    return table(("variable", "default", "meaning"), sorted(rows))


def _variable(name: str) -> tuple[str, str]:
    """Default and meaning of a setting; the meaning is its description, else its entry in the docstring."""
    field = Settings.model_fields[name]
    text = field.description or attributes(Settings.__doc__ or "")[name]
    meaning, _, described = text.partition(" Default: ")
    if described:
        return described.rstrip("."), sentence(meaning)
    value = field.get_default(call_default_factory=True)
    return "none" if value is None or value in ([], ()) else f"`{value}`", sentence(meaning)


def attributes(docstring: str) -> dict[str, str]:
    """The `Attributes:` of a docstring: name -> meaning in one line."""
    text = docstring.partition("Attributes:\n")[2]
    items = re.findall(r"^ {8}(\w+): (.+(?:\n {12}.+)*)", text, re.MULTILINE)
    return {name: sentence(" ".join(meaning.split())) for name, meaning in items}


def sentence(text: str) -> str:
    """A text with a capital at its start."""
    return text[:1].upper() + text[1:]


def first_paragraph(text: str) -> str:
    """The first paragraph of a help text, in one line."""
    return " ".join((text or "").strip().split("\n\n")[0].split())


def table(headings: Row, rows: Iterable[Row]) -> str:
    """A Markdown table; bars in a cell are escaped."""
    lines = [headings, tuple("---" for _ in headings), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


TABLES: dict[str, Callable[[], str]] = {
    "commands of the library": lambda: commands("ablate."),
    "commands of the service": lambda: commands("service."),
    "REST calls": calls,
    "recipe fields of classify": lambda: fields("classify"),
    "recipe fields of detect": lambda: fields("detect", without="classify"),
    "recipe fields of segment": lambda: fields("segment", without="classify"),
    "environment variables": variables,
}
"""Name in a marker -> what writes the table."""

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
