"""`ablate verify`: whether the table of a bundle follows from its values."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from ablate.bundle.archive import MANIFEST, BundleError, check_manifest, open_archive
from ablate.bundle.belong import Belonging, check_belonging
from ablate.bundle.compare import Difference, compare_tables
from ablate.bundle.own import VERSION
from ablate.bundle.rebuild import Parts, read_parts, rebuild_table
from ablate.documents import Document


class Verdict(Document):
    """The answer on a bundle.

    Attributes:
        study, scale: of the bundle; empty if its documents cannot be read.
        is_equal: whether nothing was changed and everything was recomputed as stored.
        rows, seeds: numbers of the table's rows and planned seeds.
        values: number of values in `seeds.csv`.
        numbers: number of numbers of the table that were recomputed and are equal.
        keys: number of trial keys that were recomputed.
        problems: files that were changed, and documents that do not belong together.
        differences: where the stored table differs from the recomputed one.
        remarks: what was not recomputed, and what a reader should know.
    """

    study: str = ""
    scale: str = ""
    is_equal: bool
    rows: int = 0
    seeds: int = 0
    values: int = 0
    numbers: int = 0
    keys: int = 0
    problems: list[str]
    differences: list[Difference] = Field(default_factory=list)
    remarks: list[str] = Field(default_factory=list)


def verify(path: Path) -> Verdict:
    """Recompute the table of a bundle from its values, and compare.

    Args:
        path: the zip file, or the folder into which it was unpacked.

    Raises:
        BundleError: it is not a bundle, or damaged.
    """
    archive = open_archive(path)
    if MANIFEST not in archive.entries:
        raise BundleError(f"{path} has no {MANIFEST}, so it is not a bundle; give the .zip of `ablate export`")
    belonging = Belonging(problems=check_manifest(archive))
    problems = belonging.problems
    try:
        parts = read_parts(archive)
        check_belonging(archive, parts, belonging)
        compared = compare_tables(parts, rebuild_table(parts))
    except BundleError as error:
        if not problems:
            raise
        return Verdict(is_equal=False, problems=[*problems, f"nothing was recomputed: {error}"])
    return Verdict(
        study=parts.resolved.study,
        scale=parts.resolved.scale or "base",
        is_equal=not problems and not compared.differences,
        rows=len(parts.table.rows),
        seeds=len(parts.resolved.seeds),
        values=sum(1 for line in parts.lines if line.value),
        numbers=compared.numbers,
        keys=belonging.keys,
        problems=problems,
        differences=compared.differences,
        remarks=[
            *(f"not checked: {what}" for what in belonging.unchecked),
            *_remarks(parts, compared.rounded, compared.notes),
        ],
    )


def _remarks(parts: Parts, rounded: int, notes: tuple[int, int]) -> list[str]:
    made, stored = notes
    found = []
    if parts.table.provisional:
        found.append("the table is provisional: trials were outstanding when the bundle was made")
    if rounded:
        found.append(f"{rounded} numbers differ in their last digits, as other versions of numpy and scipy give them")
    if made < stored:
        found.append(
            f"as stored: {stored - made} of {stored} notes, on when the study was fixed and what was tried elsewhere"
        )
    if parts.table.exploratory:
        found.append("as stored: that the table is exploratory, which depends on what else was known")
    if parts.table.provenance:
        found.append("as stored: the notes on when and where trials ran")
    if parts.resolved.ablate != VERSION:
        found.append(f"written by ablate {parts.resolved.ablate}, checked by {VERSION}")
    return found
