"""What the service's commands print on a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ablate.cli.output import say
from ablate.cli.terminal import Terminal
from ablate.tables.words import duration_text
from ablate.trials.record_comparison import Pair, TrialComparison

if TYPE_CHECKING:
    from ablate.remote.documents.faults import FaultView
    from ablate.remote.documents.paper import PaperCounts, PaperPlan, PaperView
    from ablate.remote.documents.studies import Progress, StudyView
    from ablate.remote.documents.trials import CellView, TrialView
    from ablate.tables.two_rows import RowComparison


def show_studies(studies: Sequence[StudyView]) -> None:
    """One line for each study; with a column for the schedule if schedules fired any of them."""
    headings, spare = ["id", "name", "scale", "state", "cells", "left", "created"], ["created", "scale", "left"]
    rows = [
        [
            study.id, study.name, study.scale or "-", study.state, _counts(study.progress), _left(study),
            minute_text(study.created_at),
        ]
        for study in studies
    ]  # fmt: skip
    if any(study.schedule for study in studies):
        headings.append("schedule")
        spare.append("schedule")
        rows = [[*row, study.schedule or "-"] for row, study in zip(rows, studies, strict=True)]
    show_rows(headings, rows, spare)


def show_faults(faults: Sequence[FaultView]) -> None:
    """One line for each internal error."""
    rows = [
        (fault.number, fault.work, fault.study_id or "-", str(fault.tries), minute_text(fault.last_at), fault.error)
        for fault in faults
    ]
    show_rows(("number", "work", "study", "tries", "last", "error"), rows, ("last", "tries", "study"))


def show_study(study: StudyView, cells: Sequence[CellView]) -> None:
    """A study and its cells."""
    show_studies([study])
    for warning in study.warnings:
        say(f"warning: {warning.message}")
    if study.reason:
        say(f"{study.state}: {study.reason}")
    say()
    show_rows(
        ("row", "seed", "trial", "state", "attempts", "result"),
        [
            (cell.row, str(cell.seed), cell.key[:12], cell.state, str(len(cell.attempts)), _result(cell))
            for cell in cells
        ],
        ("attempts", "result"),
    )


def show_trial(trial: TrialView) -> None:
    """A trial."""
    repetition = {"replicate": trial.replicate, "repeat": trial.repeat}
    lines = {
        "key": trial.key,
        "state": trial.state + (f": {trial.reason}" if trial.reason else ""),
        "rows": "; ".join(f"{place.row} of {place.study_id}" for place in trial.rows),
        "seed": f"{trial.seed}" + "".join(f", {name} {number}" for name, number in repetition.items() if number),
        "step": f"{trial.step} of {trial.steps}" if trial.steps else "-",
        "metrics": _metrics(trial.metrics),
        "needs": ", ".join(f"{name} {key[:12]}" for name, key in trial.needs.items()) or "-",
        "recipe": json.dumps(trial.recipe, ensure_ascii=False),
        "where": json.dumps(trial.provenance, ensure_ascii=False),
    }
    peak = (trial.outcome or {}).get("peak_memory_bytes")
    if isinstance(peak, int):
        lines["memory"] = f"{peak / 2**20:,.0f} MiB at most"
    for name, text in lines.items():
        say(f"{name:8} {text}")
    for attempt in trial.attempts:
        reason = f": {attempt.reason}" if attempt.reason else ""
        say(f"attempt {attempt.number} {attempt.state} from {attempt.started_at:%Y-%m-%dT%H:%M:%S}{reason}")


def show_tables(plan: PaperPlan) -> None:
    """The plan of tables of the paper, and how their GPU-hours are estimated; on stderr."""
    console = Terminal(stderr=True)
    rows = [
        (table.id, table.study, table.scale or "-", *_plan_counts(table), hours_text(table.gpu_hours))
        for table in plan.items
    ]
    total = ("all", "", "", *_plan_counts(plan), hours_text(plan.gpu_hours))
    console.show_rows(
        ("table", "study", "scale", "rows", "trials", "known", "GPU-hours"), [*rows, total], spare=("scale", "study")
    )
    console.say(f"GPU-hours are {plan.basis}.")


def show_paper(submitted: PaperView, plan: PaperPlan, url: str) -> None:
    """One line for each submitted table of the paper, then their totals."""
    show_rows(
        ("table", "id", "rows", "trials", "known", "link"),
        [
            (table.id, study.id, *_plan_counts(table), url + study.links.table)
            for table, study in zip(plan.items, submitted.items, strict=True)
        ],
        ("link", "known", "rows"),
    )
    say(
        f"{submitted.rows:,} rows, {submitted.trials:,} trials, {submitted.distinct:,} distinct, "
        f"{submitted.known:,} known"
    )


def _plan_counts(counts: PaperCounts) -> tuple[str, str, str]:
    return str(counts.rows), str(counts.trials), str(counts.known)


def hours_text(hours: float | None) -> str:
    """Estimated GPU-hours as text."""
    if hours is None:
        return "unknown"
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.1f}" if hours >= 0.05 else "0" if hours == 0 else "under 0.1"


def show_comparison(found: TrialComparison) -> None:
    """The verdict on a trial that was trained again, then the values it is based on."""
    say(found.sentence)
    for note in found.notes:
        say(f"note: {note}")
    say()
    rows = [(name, _number(pair.then), _number(pair.now), _change(pair)) for name, pair in found.metrics.items()]
    ends = {"status": found.status, "reason": found.reason}
    rows += [(name, _word(pair), _word(pair, is_now=True), "") for name, pair in ends.items() if pair.then or pair.now]
    times = [f"{value:.1f}" if value is not None else "-" for value in (found.train_s.then, found.train_s.now)]
    show_rows(("", "then", "now", "difference"), [*rows, ("train_s", *times, "")])
    step = found.first_difference_step
    say()
    say(f"first step at which the curves differ: {'none' if step is None else step}")
    say()
    where = [
        (name, _word(pair), _word(pair, is_now=True), _mark(name, pair)) for name, pair in found.provenance.items()
    ]
    show_rows(("where it ran", "then", "now", ""), where)


def _mark(name: str, pair: Pair) -> str:
    """Whether it is the same; for a commit with uncommitted changes (`+`) the changes are unknown."""
    if None in (pair.then, pair.now):
        return "not recorded"
    if name == "commit" and not pair.differs and str(pair.now).endswith("+"):
        return "same, except uncommitted changes"
    return "differs" if pair.differs else "same"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.10g}"


def _change(pair: Pair) -> str:
    if pair.then is None or pair.now is None:
        return "-"
    share = f" ({100 * (pair.now - pair.then) / abs(pair.then):+.3g} %)" if pair.then and pair.differs else ""
    return f"{pair.now - pair.then:+.3g}{share}" if pair.differs else "0"


def _word(pair: Pair, *, is_now: bool = False) -> str:
    value = pair.now if is_now else pair.then
    return "-" if value is None else str(value)


def show_pair(found: RowComparison) -> None:
    """Two rows seed by seed, then the sentence."""
    show_rows(
        ("seed", found.a, found.b, "difference"),
        [(str(one.seed), f"{one.a:.6g}", f"{one.b:.6g}", f"{one.difference:+.4g}") for one in found.seeds],
    )
    say()
    say(f"{found.metric}: {found.sentence}")
    for line in (*_pairing(found), *found.images.sentences):
        say(line)
    if found.is_post_hoc:
        say(f"post hoc: p is corrected over all {found.pairs} pairs of the table's rows")
    else:
        say(f"planned: p is corrected over the {found.pairs} comparisons of the baseline's family")


def _pairing(found: RowComparison) -> Iterator[str]:
    """How much pairing by seed changed the variance; nothing if there are too few seeds."""
    if found.pairing_gain is not None:
        related = "one of the rows is constant" if found.rho is None else f"correlation over seeds {found.rho:.2f}"
        did = "reduced" if found.pairing_gain >= 0 else "increased"
        share = f"{100 * abs(found.pairing_gain):.0f} %"
        yield f"{related}; pairing by seed {did} the variance of the difference by {share}"


def show_rows(headings: Sequence[str], rows: Sequence[Sequence[str]], spare: Sequence[str] = ()) -> None:
    """Rows under headings; see `Terminal.show_rows`."""
    Terminal().show_rows(headings, rows, spare=spare)


def minute_text(instant: datetime) -> str:
    """An instant to the minute, in UTC."""
    return f"{instant:%Y-%m-%d %H:%M}"


def _counts(progress: Progress) -> str:
    counts = {
        "succeeded": progress.succeeded, "diverged": progress.diverged, "failed": progress.failed,
        "cancelled": progress.cancelled, "running": progress.running, "queued": progress.queued,
        "shared": progress.shared,
    }  # fmt: skip
    return f"{progress.trials}: {', '.join(f'{count} {name}' for name, count in counts.items() if count)}"


def _left(study: StudyView) -> str:
    return "-" if study.eta_s is None else duration_text(study.eta_s)


def _result(cell: CellView) -> str:
    if cell.state in ("failed", "diverged", "queued"):
        return cell.reason or ""
    progress = f"step {cell.step} of {cell.steps} " if cell.state == "running" and cell.steps else ""
    return progress + _metrics(cell.metrics)


def _metrics(metrics: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
