"""`keep_results_of`: known results of earlier code that fill the cells of a study, because its author says so.

A kept result stays under its own key, which contains the code that gave it. Every other cell is trained with, and keyed
by, the code as it is. Only the code may differ: a result of another command, metric or interpreter is never kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from ablate.errors import Problem, StudyError, quote
from ablate.study.plan import Plan, task_of
from ablate.tasks.command.stored import COMMAND_FILE, identity_of_command, store_of_snapshots
from ablate.tasks.command.task import Command
from ablate.trials.registry import COMMAND
from ablate.trials.trial import TrialRecord, trial_key

POINTER = "/command/keep_results_of"


def with_kept(plan: Plan, records: Mapping[str, TrialRecord]) -> Plan:
    """The plan in which known results of the code that the study keeps fill their cells; any other plan as it is.

    Args:
        plan: the study, expanded.
        records: what is known, by key.

    Raises:
        StudyError: no code in the state directory has that digest, or several have.
    """
    wanted = plan.study.command.keep_results_of if plan.study.command else None
    task = task_of(plan) if wanted else None
    if wanted is None or not isinstance(task, Command):
        return plan
    identity = COMMAND + identity_of_command(task.spec, _whole_digest(wanted))
    again = plan.repetition
    memberships, trials = dict(plan.memberships), dict(plan.trials)
    for row in (*plan.rows, *plan.audits):
        if row.blueprint is None:
            continue
        for seed in plan.seeds:
            replicate = again.replicate + row.replicate
            key = trial_key(identity, row.blueprint.identity, seed, replicate, repeat=again.repeat)
            if key in records and records[key].is_result:
                now = plan.trials[plan.memberships[row.name, seed]] if key not in trials else trials[key]
                memberships[row.name, seed] = key
                trials[key] = now.model_copy(update={"key": key})
    used = set(memberships.values())
    kept = {key: trial for key, trial in trials.items() if key in used}
    return replace(plan, memberships=memberships, trials=kept)


def _whole_digest(begin: str) -> str:
    """The digest of the one code in the state directory that begins so."""
    found = set()
    for file in store_of_snapshots().glob(f"*/{COMMAND_FILE}"):
        try:
            digest = str(json.loads(file.read_text(encoding="utf-8"))["digest"])
        except (OSError, ValueError, KeyError):  # of an older version of ablate
            continue
        if digest.startswith(begin):
            found.add(digest)
    if len(found) == 1:
        return found.pop()
    what = f"{len(found)} codes in the state directory begin" if found else "no code in the state directory begins"
    text = f"{what} with {quote(begin)}; `ablate check` names the digest of the code of earlier results"
    raise StudyError([Problem(POINTER, "invalid", text)])
