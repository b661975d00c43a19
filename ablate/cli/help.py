"""The help of commands: options and commands in groups, so that twenty of them can be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

COMMANDS = {
    "On this machine": ("doctor", "init", "check", "run", "import", "sites", "data", "task"),
    "Service": ("serve", "submit", "paper", "schedule", "today", "selftest"),
    "Studies": ("list", "show", "watch", "cancel", "retry", "pause", "resume", "extend"),
    "Results": ("table", "compare", "plot", "ledger", "export", "verify"),
    "Trials": ("trial", "logs", "files", "rerun"),
}


class GroupedCommand(TyperCommand):
    """A command whose options are listed by their `rich_help_panel`; those without one come first."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then each group of options."""
        groups: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                default = "Arguments" if parameter.param_type_name == "argument" else "Options"
                groups.setdefault(getattr(parameter, "rich_help_panel", None) or default, []).append(record)
        write_groups(formatter, groups)


class GroupedCommands(TyperGroup):
    """Commands, listed by what they are about; a command that COMMANDS lacks is under "Other"."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write each group of commands."""
        known = {name: group for group, names in COMMANDS.items() for name in names}
        groups: dict[str, list[tuple[str, str]]] = {group: [] for group in COMMANDS}
        limit = formatter.width - 6 - max(len(name) for name in self.list_commands(ctx))
        for name in sorted(self.list_commands(ctx), key=lambda name: [*known, name].index(name)):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                groups.setdefault(known.get(name, "Other"), []).append((name, command.get_short_help_str(limit)))
        write_groups(formatter, groups)


def write_groups(formatter: Any, groups: dict[str, list[tuple[str, str]]]) -> None:
    """Write groups of names with their texts, each under its heading; the texts of all groups are aligned."""
    width = max((len(name) for records in groups.values() for name, _ in records if len(name) <= 30), default=0)
    for heading, records in groups.items():
        if records:
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), text) for name, text in records])


class App(typer.Typer):
    """A typer app whose commands have options in groups."""

    def command(self, *args: Any, **options: Any) -> Callable[[Any], Any]:
        """As in typer, with `GroupedCommand` as the class of the command."""
        return super().command(*args, **{"cls": GroupedCommand} | options)
