"""`ablate verify` on a screen, and how `ablate export` writes a bundle. Imported when a command runs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ablate.bundle.archive import new_file, write_zip
from ablate.bundle.contents import bundle_files
from ablate.bundle.verify import Verdict, verify
from ablate.cli.output import say, show_json
from ablate.local.export import read_contents

DIFFERS = 1
MAX_SHOWN = 50
"""Largest number of differences that are printed; `--json` has all."""


def export_folder(folder: Path, out: Path, *, measured: bool, weights: bool, code: bool, force: bool) -> None:
    """Write the bundle of a folder of `ablate run`, with progress on stderr."""
    with new_file(out, force=force) as file:
        files = bundle_files(
            read_contents(folder, weights=weights), partial(say, err=True), measured=measured, code=code
        )
        say(f"packing {len(files)} files", err=True)
        write_zip(file, files)


def show_verdict(path: Path, *, as_json: bool = False, err: bool = False) -> int:
    """Print the answer on a bundle, on stdout or on stderr. Returns the exit status."""
    found = verify(path)
    if as_json:
        show_json(found.model_dump(mode="json"))
    else:
        for line in _lines(found):
            say(line, err=err)
    return 0 if found.is_equal else DIFFERS


def _lines(found: Verdict) -> Iterator[str]:
    wrong = [*found.problems, *map(str, found.differences)]
    if found.is_equal:
        yield (
            f"equal: {found.numbers} numbers of {found.rows} rows recomputed from {found.values} values; "
            f"{found.keys} trial keys belong to their recipes (study {found.study}, scale {found.scale})"
        )
    else:
        yield f"differs: {len(wrong)} {'place' if len(wrong) == 1 else 'places'}"
        yield from (f"  {line}" for line in wrong[:MAX_SHOWN])
        if len(wrong) > MAX_SHOWN:
            yield f"  and {len(wrong) - MAX_SHOWN} more; --json lists all"
    yield from (f"  {remark}" for remark in found.remarks)
