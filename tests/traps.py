"""A folder with modules that end the process which imports them, under names of ours and of the standard library."""

from __future__ import annotations

from pathlib import Path

NAMES = ("ablate", "json", "queue", "random", "service", "typer")


def folder_of_traps(folder: Path) -> Path:
    """Write a module of each name into a folder."""
    for name in NAMES:
        (folder / f"{name}.py").write_text(f"raise SystemExit('imported {name}.py of the working directory')\n")
    return folder
