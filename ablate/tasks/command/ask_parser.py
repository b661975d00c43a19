"""Runs a script up to the point where it parses its options, and writes what its parser knows to a file as JSON.

This file is run by the interpreter of the script, which may be older and have nothing installed; it imports nothing of
ablate. It intercepts argparse, click, typer and fire. Arguments: the file to write, the script, further ones of it.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import os
import re
import runpy
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Run the script with its parsers intercepted."""
    target, script = sys.argv[1:3]
    sys.argv[:] = [script, *sys.argv[3:]]
    package = module_of(Path(script))
    sys.path[0] = str(package[0] if package else Path(script).absolute().parent)

    def found(kind: str, options: list[dict[str, Any]]) -> None:
        Path(target).write_text(json.dumps({"kind": kind, "options": options}), encoding="utf-8")
        sys.stdout.flush()
        os._exit(0)

    def parse(parser: Any, *_: Any, **__: Any) -> None:
        found("argparse", [of_argparse(action) for action in command_of_argparse(parser)._actions])

    argparse.ArgumentParser.parse_known_args = parse  # type: ignore[assignment,method-assign]
    argparse.ArgumentParser.parse_args = parse  # type: ignore[assignment,method-assign]
    intercept_click(found)
    intercept_typer(found)
    intercept_fire(found)
    if package:
        runpy.run_module(package[1], run_name="__main__", alter_sys=True)
    runpy.run_path(script, run_name="__main__")


def module_of(script: Path) -> tuple[Path, str] | None:
    """The folder from which a script runs as `python -m NAME`, and that name; None for a script that runs as a file.

    A script needs it that imports from its own package, `from .data import x` or `from package.data import x`.
    """
    folder = script.absolute().parent
    names = [script.stem]
    while (folder / "__init__.py").exists():
        names.insert(0, folder.name)
        folder = folder.parent
    own = re.compile(rf"^\s*(from\s+\.|(from|import)\s+{re.escape(names[0])}\b)", re.MULTILINE)
    is_package = len(names) > 1 and own.search(script.read_text(encoding="utf-8", errors="replace"))
    return (folder, ".".join(names)) if is_package else None


def command_of_argparse(parser: Any) -> Any:
    """The parser of the command that the arguments name; the parser itself if they name none."""
    for name in sys.argv[1:]:
        groups = [action for action in parser._actions if type(action).__name__ == "_SubParsersAction"]
        parser = next((group.choices[name] for group in groups if name in group.choices), parser)
    return parser


def command_of_click(command: Any) -> Any:
    """Likewise for a group of click or typer."""
    for name in sys.argv[1:]:
        command = (getattr(command, "commands", None) or {}).get(name, command)
    return command


def of_argparse(action: Any) -> dict[str, Any]:
    """One option of argparse."""
    kind = type(action).__name__
    counts = isinstance(action.nargs, int) and action.nargs > 1
    return {
        "names": list(action.option_strings),
        "name": action.dest,
        "default": plain(action.default),
        "type": getattr(action.type, "__name__", None),
        "choices": sorted(action.choices)
        if kind == "_SubParsersAction"
        else [plain(one) for one in action.choices]
        if isinstance(action.choices, (list, tuple, range))
        else None,
        "help": action.help if isinstance(action.help, str) else "",
        "is_flag": kind in ("_StoreTrueAction", "_StoreFalseAction", "_StoreConstAction"),
        "is_switch": kind == "BooleanOptionalAction",
        "is_list": action.nargs in ("+", "*") or counts,
        "is_repeated": kind in ("_AppendAction", "_ExtendAction"),
        "is_required": bool(action.required),
        "is_help": kind in ("_HelpAction", "_VersionAction"),
        "is_group": kind == "_SubParsersAction",
    }


def intercept_click(found: Any) -> None:
    """Intercept click, if the script can import it."""
    try:
        core: Any = importlib.import_module("click.core")
    except ImportError:
        return
    core.Command.main = lambda self, *_, **__: found("click", of_click(self))


def intercept_typer(found: Any) -> None:
    """Intercept typer, likewise."""
    try:
        typer: Any = importlib.import_module("typer")
    except ImportError:
        return

    def run(function: Any) -> None:
        app = typer.Typer(add_completion=False)
        app.command()(function)
        found("typer", of_click(typer.main.get_command(app)))

    typer.run = run
    typer.Typer.__call__ = lambda self, *_, **__: found("typer", of_click(typer.main.get_command(self)))


def intercept_fire(found: Any) -> None:
    """Intercept fire, likewise; it has a parser of argparse too, for options of its own alone."""
    try:
        fire: Any = importlib.import_module("fire")
    except ImportError:
        return

    def run(component: Any = None, *_: Any, **__: Any) -> None:
        names = sys._getframe(1).f_globals if component is None else component
        if inspect.isclass(component):
            names = {name: one for name, one in vars(component).items() if not name.startswith("_")}
        commands = {}
        if isinstance(names, dict):
            commands = {name: one for name, one in names.items() if inspect.isfunction(one) or component is not None}
        chosen = [commands[name] for name in sys.argv[1:] if name in commands]
        if commands and not chosen:
            found("fire", [{"is_group": True, "name": "command", "names": [], "choices": sorted(commands)}])
        parts = [*([component] if callable(component) else []), *chosen]
        signatures = [inspect.signature(part) for part in parts]
        parameters = [one for each in signatures for one in each.parameters.values() if one.name != "self"]
        named = [one for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
        found("fire", [of_parameter(one) for one in named])

    fire.Fire = run


def of_parameter(parameter: Any) -> dict[str, Any]:
    """One parameter of a function that fire calls. It reads values as Python writes them, also a list as one."""
    default = None if parameter.default is parameter.empty else plain(parameter.default)
    return {
        "choices": ["True", "False"] if isinstance(default, bool) else None,
        "names": [f"--{parameter.name}"],
        "name": parameter.name,
        "default": repr(default) if isinstance(default, (list, bool)) else default,
        "is_required": parameter.default is parameter.empty,
    }


def of_click(command: Any) -> list[dict[str, Any]]:
    """The options of a command of click."""
    command = command_of_click(command)
    if getattr(command, "commands", None):
        return [{"is_group": True, "name": "command", "names": [], "choices": sorted(command.commands)}]
    own = ("help", "version", "install_completion", "show_completion")
    return [of_click_option(option) for option in command.params if option.name not in own]


def of_click_option(option: Any) -> dict[str, Any]:
    """One option of click."""
    default = option.default() if callable(option.default) else option.default
    declared = getattr(option, "type", None)  # newer versions of typer have none
    kind = getattr(declared, "name", None)
    is_flag = bool(getattr(option, "is_flag", False))
    opposites = list(getattr(option, "secondary_opts", ()))
    return {
        "names": [name for name in option.opts if name.startswith("-")] + opposites,
        "name": option.name,
        "default": plain(default),
        "type": {"integer": "int", "text": "str"}.get(str(kind), kind),
        "choices": [plain(one) for one in getattr(declared, "choices", None) or ()] or None,
        "help": getattr(option, "help", None) or "",
        "is_flag": is_flag and not opposites,
        "is_switch": is_flag and bool(opposites),
        "is_list": option.nargs != 1,
        "is_repeated": bool(getattr(option, "multiple", False)),
        "is_required": bool(option.required),
    }


def plain(value: Any) -> Any:
    """A value as JSON can have it; None for what it cannot."""
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(getattr(value, "value", None), (str, int, float)):
        return value.value
    return str(value) if isinstance(value, os.PathLike) else None


if __name__ == "__main__":
    main()
