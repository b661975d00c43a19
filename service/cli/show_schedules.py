"""What the commands about schedules show on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import typer

from service.cli.show import show_rows


def show_schedules(schedules: Sequence[Mapping[str, Any]]) -> None:
    """One line a schedule."""
    show_rows(
        ("name", "study", "mode", "next", "last", "needs"),
        [
            (
                one["name"], one["study_name"], one["mode"], one["next_text"], _last(one["last"]),
                f"{len(one['alarms'])} to acknowledge" if one["alarms"] else "a look" if one["needs_person"] else "-",
            )
            for one in schedules
        ],
    )  # fmt: skip


def show_history(schedule: Mapping[str, Any], firings: Sequence[Mapping[str, Any]]) -> None:
    """The firings of a schedule, and its open alarms with what differs."""
    show_rows(
        ("instant (UTC)", "kind", "state", "study", "found"),
        [
            (
                _minute(one["instant"]), (one["kind"] or "-") + (" (by hand)" if one["cause"] == "manual" else ""),
                one["state"], one["study_id"] or "-", _found(one),
            )
            for one in firings
        ],
    )  # fmt: skip
    for alarm in schedule["alarms"]:
        show_alarm(alarm)


def show_alarm(alarm: Mapping[str, Any]) -> None:
    """An alarm, and what differs between the last good firing and the first changed one."""
    typer.echo(f"alarm of {_minute(alarm['instant'])} UTC, row '{alarm['row']}': {alarm['sentence']}")
    for one in alarm["differences"]:
        typer.echo(f"  {one['what']}: {one['then']} -> {one['now']}")


def show_today(today: Mapping[str, Any]) -> None:
    """What happened, on one screen; what needs a person comes first."""
    typer.echo(f"since {_minute(today['since'])} UTC: {_count(len(today['finished']), 'study ended', 'studies ended')}")
    for one in today["attention"]:
        typer.echo(f"! {one['code']}: {one['message']}")
    for study in today["finished"]:
        by = f", schedule {study['schedule']}" if study["schedule"] else ""
        typer.echo(f"  {study['state']:9} {study['name']} ({study['id']}{by})")
    for one in today["missed"]:
        typer.echo(f"  {one['firing']['state']:9} {one['schedule']}, {_minute(one['firing']['instant'])} UTC")
    for one in today["next"]:
        typer.echo(f"  next      {one['schedule']}: {one['next_text']}")
    if not today["needs_person"]:
        typer.echo("nobody is needed")


def _last(firing: Mapping[str, Any] | None) -> str:
    if firing is None:
        return "-"
    drift = f", {firing['drift']['state']}" if firing["drift"] else ""
    return f"{_minute(firing['instant'])} {firing['state']}{drift}"


def _found(firing: Mapping[str, Any]) -> str:
    parts = [firing["drift"]["sentence"]] if firing["drift"] else []
    parts += [firing["reason"]] if firing["reason"] else []
    return "; ".join(parts) or "-"


def _minute(instant: str) -> str:
    return instant[:16].replace("T", " ")


def _count(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"
