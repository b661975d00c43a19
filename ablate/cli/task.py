"""What the commands `ablate task ...` do and print."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ablate.cli.check import field_lines, show_change
from ablate.cli.output import say, show_json, show_text
from ablate.cli.terminal import Terminal
from ablate.errors import Problem, StudyError, TrialError, nearest, quote
from ablate.settings import read_library_settings
from ablate.statistics.words import counted
from ablate.study.field_catalog import describe_fields
from ablate.study.plan import plan_document
from ablate.study.text import read_document
from ablate.study.written import render_document
from ablate.tasks.command import registered
from ablate.tasks.command.bind import with_command
from ablate.tasks.command.changes import find_changes
from ablate.tasks.command.registered import RegisteredTask
from ablate.tasks.function.study import function_in, study_of_function

SHOWN_FILES = 12


def register_task(name: str, study: Path | None, *, replaces: bool, as_json: bool) -> None:
    """`ablate task add` and `ablate task update`."""
    known = registered.find_registered(name) if replaces else None
    if study is None:
        study = Path(_existing(name).source)
    document = _read(study)
    bound = with_command(document, study.parent)
    plan_document(bound, max_trials=read_library_settings().max_trials)
    task = registered.register(name, study, document, bound["base"]["task"], replaces=replaces)
    is_new = known is None or len(task.versions) > len(known.versions)
    if as_json:
        show_json(_described(task) | {"changed": is_new})
        return
    for change in find_changes(task.newest.task, [known.newest.task] if known else []):
        show_change(change, f"changes: {change.summary}")
    what = "registered" if not replaces else "new version" if is_new else "nothing changed"
    say(f"{what}: {task.pinned}")
    if is_new:
        for line in _lines(task):
            say(f"  {line}")
        say(f'studies name it with task = "{name}" in [base]; `ablate task show {name} --study` prints one')


def _read(source: Path) -> dict[str, Any]:
    """A study of what is registered: of the `[command]` in a study file, or of the function in `FILE.py:FUNCTION`."""
    file, is_function, name = str(source).rpartition(".py:")
    if is_function:
        return study_of_function(function_in(Path(f"{file}.py"), name), {}, {}, None) | {"seeds": 5}
    document = read_document(source, is_strict=False)
    if not isinstance(document, dict) or not isinstance(document.get("command"), dict):
        text = "the study has no [command], which is what is registered; draft one with `ablate init SCRIPT`"
        raise StudyError([Problem("/command", "missing", text)])
    return document


def list_tasks(*, as_json: bool) -> None:
    """`ablate task list`."""
    damaged: dict[str, str] = {}
    tasks = []
    for name in registered.names():
        try:
            tasks.append(_existing(name))
        except TrialError as error:
            damaged[name] = str(error)
    if as_json:
        show_json({"items": [_described(task) for task in tasks], "damaged": damaged})
        return
    if not tasks and not damaged:
        say("no task is registered; `ablate task add NAME STUDY.toml` registers the [command] of a study file")
    if tasks:
        rows = [_row(task) for task in tasks]
        Terminal().show_rows(["task", "version", "registered", "metrics", "fields", "from"], rows, spare=["from"])
    for sentence in damaged.values():
        say(sentence, err=True)


def show_task(name: str, *, wants_study: bool, as_json: bool) -> None:
    """`ablate task show`."""
    task = _existing(name)
    if wants_study:
        show_text(render_document(task.study)[1])
    elif as_json:
        show_json(_described(task))
    else:
        say(task.pinned)
        for line in _lines(task):
            say(f"  {line}")
        for version in reversed(task.versions):
            say(f"  version {version.digest}: {version.at:%Y-%m-%d %H:%M} UTC")
        for line in field_lines(_described(task)["fields"]):
            say(line)


def remove_task(name: str, *, as_json: bool) -> None:
    """`ablate task remove`."""
    task = registered.remove(name)
    if as_json:
        show_json(_described(task))
        return
    say(f"removed: {name}; studies that are stored keep {counted(len(task.versions), 'version')} of it")


def _existing(name: str) -> RegisteredTask:
    found = registered.find_registered(name)
    if found is None or found.is_removed:
        raise TrialError(f"no registered task {quote(name)}{nearest(name, registered.names())}")
    return found


def _described(task: RegisteredTask) -> dict[str, Any]:
    command = registered.load_version(task.newest)
    return {
        "name": task.name, "version": task.newest.digest, "source": task.source, "removed": task.is_removed,
        "metrics": dict(command.task.metrics), "fields": describe_fields(command.task.Recipe),
        "code": list(command.code), "python": task.newest.place.python, "folder": task.newest.place.root,
        "versions": [{"digest": one.digest, "at": one.at.isoformat()} for one in reversed(task.versions)],
    }  # fmt: skip


def _row(task: RegisteredTask) -> list[str]:
    command = registered.load_version(task.newest).task
    fields = ", ".join(command.Recipe.model_fields)
    at = f"{task.newest.at:%Y-%m-%d %H:%M}"
    return [task.name, task.newest.digest, at, ", ".join(command.metrics), fields, task.source]


def _lines(task: RegisteredTask) -> Iterator[str]:
    found = _described(task)
    metrics = (f"{name} ({'lower' if lower else 'higher'} is better)" for name, lower in found["metrics"].items())
    rest = f" and {len(found['code']) - SHOWN_FILES} more" if len(found["code"]) > SHOWN_FILES else ""
    yield f"metrics: {', '.join(metrics)}"
    yield f"fields: {', '.join(field['name'] for field in found['fields']) or 'none'}"
    yield f"code, copied: {', '.join(found['code'][:SHOWN_FILES])}{rest}"
    yield f"not copied, but linked from there: what else lies in {found['folder']}"
    yield f"python: {found['python']}"
