"""Files that documents are appended to: what a crash cut off is set aside, and whole files are left as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablate.local.lines import cut_off_a_torn_line


@pytest.mark.parametrize(
    ("before", "after", "torn"),
    [
        (None, None, None),
        (b"", b"", None),
        (b"one\n", b"one\n", None),
        (b"one\ntw", b"one\n", b"tw\n"),
        (b"o", b"", b"o\n"),
        (b"\n", b"\n", None),
    ],
)
def test_only_an_incomplete_last_line_is_moved(
    tmp_path: Path, before: bytes | None, after: bytes | None, torn: bytes | None
) -> None:
    file, aside = tmp_path / "rows.jsonl", tmp_path / "rows.torn"
    if before is not None:
        file.write_bytes(before)
    cut_off_a_torn_line(file)
    assert (file.read_bytes() if file.exists() else None) == after
    assert (aside.read_bytes() if aside.exists() else None) == torn
