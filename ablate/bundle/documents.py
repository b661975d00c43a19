"""What a bundle says of a study besides the study itself: `resolved.json` and `provenance.json`.

The values are in `seeds.csv`. With these documents they are the whole input of `ablate.tables.build.build_table`.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from ablate.documents import Document
from ablate.study.preregistration import Preregistration
from ablate.trials.items import Items
from ablate.trials.trial import Cost, Measured

FORMAT = 1
"""Version of the bundle's documents. A reader refuses a newer one."""


class ResolvedNeed(Document):
    """The trials from whose weights a row's trials start; see `ablate.trials.needs`.

    Attributes:
        task, task_identity: name of the task, and the name that enters keys.
        recipe: every field that applies.
        identity: the fields that enter the key.
        keys: seed -> trial key.
    """

    task: str
    task_identity: str
    recipe: dict[str, Any]
    identity: dict[str, Any]
    keys: dict[int, str]


class ResolvedRow(Document):
    """A row of the plan, or an audit copy of a baseline: its recipe and its trials.

    Attributes:
        label, group, set, levels, is_baseline, line: see `ablate.study.plan.Row`.
        row: `GROUP / LABEL` where several groups have the label; absent where it is unique in the study.
        replicate: number added to that of the plan.
        recipe: every field that applies.
        identity: the fields that enter the key, without those of needs.
        needs: name -> the trials that its trials start from.
        keys: seed -> trial key.
    """

    label: str
    row: str | None = Field(None, exclude_if=lambda name: name is None)
    group: str | None
    set: dict[str, Any]
    levels: dict[str, str]
    is_baseline: bool
    line: str | None = None
    replicate: int
    recipe: dict[str, Any]
    identity: dict[str, Any]
    needs: dict[str, ResolvedNeed] = Field(default_factory=dict)
    keys: dict[int, str]

    @property
    def name(self) -> str:
        """What the row is called in its study; see `ablate.study.names`."""
        return self.row or self.label


class Tried(Document):
    """The tries of a row that was tried before, see `ablate.tables.tries.PairHistory`; numbers as text, since a
    difference may be `nan` or `inf`."""

    number: int
    differences: list[str]


class Resolved(Document):
    """`resolved.json`: the study expanded, and the state in which its table was made.

    Attributes:
        format: see `FORMAT`.
        ablate: version that wrote the bundle.
        study, scale, seeds, metric, metrics, lower_is_better, excluded: see `ablate.study.plan.Plan`.
        task, task_identity: task of the rows, and the name that enters keys: for a task of your own, with a digest of
            its code.
        replicate, repeat, canary_only: see `ablate.trials.trial.Repetition`.
        rows: rows in the order of the table.
        audits: hidden duplicates of baselines.
        is_measured: whether the tables show measured times.
        provisional, missing, is_firing: see `ablate.tables.inputs.StudyState`.
        registrations: registered designs, oldest first.
        tried: row name -> its tries, for rows that were tried before.
        used_as_first: see `ablate.study.preregistration.Seen`; bundles of earlier versions have none.
    """

    format: Literal[1]
    ablate: str
    study: str
    scale: str | None
    seeds: list[int]
    task: str
    task_identity: str
    metric: str
    metrics: list[str]
    lower_is_better: dict[str, bool]
    excluded: list[str]
    replicate: int
    repeat: int
    canary_only: bool
    rows: list[ResolvedRow]
    audits: list[ResolvedRow]
    is_measured: bool
    provisional: bool
    missing: str
    is_firing: bool
    registrations: list[Preregistration]
    tried: dict[str, Tried]
    used_as_first: list[str] = Field(default_factory=list)


class TrialFacts(Document):
    """How a trial ended and on what; its metrics are in `seeds.csv`.

    Attributes:
        status, reason, train_s, cost, funnel_share, items, peak_memory_bytes: see `ablate.trials.trial.Outcome`.
        finished_at: when it ended.
        provenance: commit, versions, device; see `ablate.trials.provenance`.
        audit_metrics: metrics of a trial of an audit copy, which is not in `seeds.csv`.
    """

    status: Literal["succeeded", "diverged", "failed"]
    reason: str | None = None
    train_s: float | None = None
    peak_memory_bytes: int | None = Field(None, exclude_if=lambda peak: peak is None)
    cost: Cost | None = None
    funnel_share: dict[str, float] = Field(default_factory=dict)
    items: Items | None = None
    finished_at: str
    provenance: dict[str, Any]
    audit_metrics: dict[str, float] = Field(default_factory=dict)


class Provenance(Document):
    """`provenance.json`: of every trial, by key; and the measured costs of every row, by name.

    Attributes:
        trials: key -> facts.
        counted: row name -> cost that was counted before a trial reported it.
        measured: row name -> measured inference time and memory.
    """

    trials: dict[str, TrialFacts]
    counted: dict[str, Cost] = Field(default_factory=dict)
    measured: dict[str, Measured] = Field(default_factory=dict)
