"""Generated sentences on decisions and tests: plain text from numbers only, and never more than the numbers show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ablate.statistics.decisions.power import POWER
from ablate.statistics.estimate import FEWEST_SEEDS
from ablate.statistics.words import counted, equals_p, format_p, plain_number, with_unit

if TYPE_CHECKING:
    from ablate.statistics.decisions.dunnett import PooledFit
    from ablate.statistics.decisions.evidence import DecisionRule, Evidence
    from ablate.statistics.decisions.family import FamilyAnalysis, RowAnalysis

TESTS = {"flip": "the sign-flip test", "t": "the paired t test", "pooled": "Dunnett's test"}
OF_FOLDS = "the t test with the correction of Nadeau and Bengio"
ASSUMPTIONS = {
    "t": ", which assumes normally distributed differences",
    "pooled": ", which assumes normal errors with the same spread",
}


def describe_decision(row: RowAnalysis, design: DecisionRule) -> str:
    """The decision with its reason: `undecided: 3 seeds can only detect differences above 2.9 points (80 % power)`."""
    if row.decision == "equivalent":
        return f"equivalent (within {with_unit(f'±{design.margin:g}', design.unit)})"
    if row.decision != "undecided":
        return row.decision
    n = row.evidence.n
    reasons = {
        "no common seed": "the two rows have no common seed",
        "one seed": f"the two rows have only 1 common seed, and a test needs {FEWEST_SEEDS}",
        "two seeds": f"the two rows have only 2 common seeds, and a test needs {FEWEST_SEEDS}",
        "all seeds tie": f"all {n} seeds tie",
        "too few seeds": _too_few(row),
        "no spread": f"all {n} differences are equal, so they do not show their spread",
        "failures": "the decision depends on the failed runs",
    }
    return f"undecided: {reasons.get(row.reason or '') or _detectable(row, design)}"


def _detectable(row: RowAnalysis, design: DecisionRule) -> str:
    """The smallest difference that the seeds of a row can detect, in units of the metric."""
    seeds = counted(row.evidence.n, "seed")
    if row.mde is None:
        return f"no clear difference over {seeds}"
    smallest = with_unit(plain_number(row.mde, row.mde), design.unit)
    return f"{seeds} can only detect differences above {smallest} ({100 * POWER:.0f} % power)"


def _too_few(row: RowAnalysis) -> str:
    """Why the exact test cannot decide: the number of comparisons, and seeds that tie."""
    differences = row.evidence.comparison.differences.values()
    ties = sum(1 for difference in differences if not difference)
    seeds = counted(row.evidence.n, "seed") + (f" ({counted(ties, 'tie')})" if ties else "")
    return f"the exact test cannot decide with {seeds} and {counted(row.evidence.comparisons, 'comparison')}"


def describe_test(family: FamilyAnalysis) -> str:
    """The test that gives the p-values of a family, and its assumptions."""
    joint = family.evidence
    comparisons = counted(joint.comparisons, "comparison")
    if joint.test is None:
        return f"Nothing is tested, because no row has {FEWEST_SEEDS} seeds in common with '{family.reference}'."
    if joint.test == "pooled":
        return (
            f"p-values come from Dunnett's test on rows and seeds, for {comparisons}. The test assumes normal errors "
            "with the same spread in all rows. With heavy tails, up to 6.5 % of tables without any effect show one, "
            "not 5 %."
        )
    corrected = f", corrected for {comparisons} (Holm)" if joint.comparisons > 1 else ""
    constant = [f"'{row.label}'" for row in family.rows if row.evidence.test == "flip" != joint.test]
    is_all_constant = bool(constant) and not any(row.evidence.test == "t" for row in family.rows)
    if joint.test == "flip" or is_all_constant:
        text = (
            f"p-values come from the sign-flip test{corrected}. The test is exact if differences are symmetric about 0."
        )
        text += " It replaces the paired t test, because the differences of each row are all equal." * is_all_constant
    elif family.design.folds:
        text = (
            f"p-values come from the t test of Nadeau and Bengio (2003) for folds{corrected}, since folds share "
            "training data."
        )
    else:
        text = (
            f"p-values come from the paired t test{corrected}. The test assumes normally distributed differences "
            "over seeds."
        )
    if constant and not is_all_constant:
        text += f" The sign-flip test replaces it for rows whose differences are all equal: {', '.join(constant)}."
    return text + (
        " The pooled test was not possible." if family.design.test == "pooled" and not family.design.folds else ""
    )


def describe_spread(fit: PooledFit) -> str:
    """The check of the pooled test's assumption of equal spread."""
    if fit.p_spread is None:
        few = "one row and its reference" if len(fit.differences) == 1 else "these values"
        return f"The test assumes equal spread of the rows, which {few} cannot check."
    ratio = f", largest sd / smallest sd {fit.spread_ratio:.2g}" if fit.spread_ratio else ""
    seeds, check = f"over {len(fit.seeds)} complete seeds", f"Levene p {equals_p(fit.p_spread)}{ratio}"
    if fit.p_spread < 0.05:
        verdict = f"Rows have unequal spread {seeds} ({check}), so the pooled p-values may be too small."
    else:
        verdict = f"Rows show no sign of unequal spread {seeds} ({check})."
    return f"{verdict} With few seeds this check has little power."


def describe_pair(row: RowAnalysis, design: DecisionRule, *, seeds_needed: int | None, is_post_hoc: bool) -> str:
    """Two rows in a few sentences: size, interval, test, raw and corrected p, decision, seeds that would decide."""
    evidence, found = row.evidence, row.evidence.comparison
    if found.mean is None:
        return f"{row.label} and {row.reference} have no common seed. Undecided"
    is_worse = (found.mean > 0) == design.lower_is_better
    half = (found.high - found.low) / 2 if found.high is not None and found.low is not None else 0.0
    size = with_unit(plain_number(abs(found.mean), half), design.unit)
    differs = f"is {size} {'worse' if is_worse else 'better'} than" if found.mean else "does not differ from"
    text = f"{row.label} {differs} {row.reference} on average over {counted(found.n, 'common seed')}"
    verdict = describe_decision(row, design)
    verdict = f"U{verdict[1:]}" if row.decision == "undecided" else f"Decided: {verdict}"
    interval = "no interval"
    if found.low is not None and found.high is not None:
        sign = -1 if found.mean < 0 else 1
        low, high = sorted((sign * found.low, sign * found.high))
        interval = f"95 % t interval {plain_number(low, half)} to {plain_number(high, half)}"
    if row.decision == "undecided" and seeds_needed:
        verdict += f"; about {seeds_needed} seeds would detect a difference of this size ({100 * POWER:.0f} % power)"
    return f"{text} ({interval}{_tested(evidence, design, is_post_hoc=is_post_hoc)}). {verdict}"


def _tested(evidence: Evidence, design: DecisionRule, *, is_post_hoc: bool) -> str:
    """The raw and the corrected p of a pair, and for how many comparisons it is corrected."""
    if evidence.p is None or evidence.p_adj is None:
        return ", no test"
    pairs = counted(evidence.comparisons, "pair" if is_post_hoc else "planned comparison")
    test = OF_FOLDS if design.folds else TESTS[evidence.test or "t"] + ASSUMPTIONS.get(evidence.test or "t", "")
    corrected = f"{format_p(evidence.p_adj)} corrected for {pairs}{', post hoc' * is_post_hoc}"
    return f"; p {equals_p(evidence.p)} from {test}; {corrected}"
