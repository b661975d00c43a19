"""Generated words and sentences: plain text from numbers only, and never more than the numbers say."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ablate.statistics.words import MINUS, equals_p, format_p

if TYPE_CHECKING:
    from ablate.statistics.decisions.evidence import TestDesign
    from ablate.statistics.decisions.family import FamilyAnalysis, RowAnalysis
    from ablate.statistics.decisions.pooled import PooledFit

TEST_WORDS = {
    "flip": "sign flip",
    "t": "the paired t test, which assumes normal differences",
    "pooled": "Dunnett's test, which assumes normal errors of one spread",
}


def describe_decision(row: RowAnalysis, design: TestDesign) -> str:
    """The decision with its reason: `undecided (n = 3, could only have seen effects > 3.3 sd)`."""
    if row.decision == "equivalent":
        return f"equivalent (within \u00b1{design.margin:g})"
    if row.decision != "undecided":
        return row.decision
    n = row.evidence.n
    words = {
        "no common seed": "no common seed",
        "one seed": "n = 1",
        "all seeds tie": f"n = {n}, all seeds tie",
        "too few seeds": f"n = {n}, {_too_few(row)} the exact test cannot decide",
        "failures": "failures",
    }
    seen = f"n = {n}, could only have seen effects > {row.mde_sd:.2g} sd" if row.mde_sd else f"n = {n}"
    return f"undecided ({words.get(row.reason or '', seen)})"


def _too_few(row: RowAnalysis) -> str:
    """What stands against the exact test: the number of comparisons, and seeds that tie."""
    differences = row.evidence.comparison.differences.values()
    ties = sum(1 for difference in differences if not difference)
    tied = f"of which {ties} tie: " if ties else ""
    return f"{tied}with {_comparisons(row.evidence.comparisons)}"


def describe_test(family: FamilyAnalysis) -> str:
    """How the p-values of a family were made, and what that assumes."""
    joint = family.evidence
    comparisons = _comparisons(joint.comparisons)
    if joint.test is None:
        return f"nothing is tested: no row has two seeds in common with '{family.reference}'"
    if joint.test == "pooled":
        return (
            f"p by Dunnett's test on rows and seeds, {comparisons}: it assumes normal errors of one spread in all rows"
        )
    if joint.test == "flip":
        text = f"p by sign flip, corrected for {comparisons} (Holm): exact where differences are symmetric about 0"
    else:
        text = f"p by the paired t test, corrected for {comparisons} (Holm): it assumes normal differences over seeds"
    constant = [f"'{row.label}'" for row in family.rows if row.evidence.test == "flip" != joint.test]
    if constant:
        text += (
            f"; by sign flip where all differences are equal, which leaves t without a spread: {', '.join(constant)}"
        )
    return text + ("; the pooled test was not possible" if family.design.test == "pooled" else "")


def describe_spread(fit: PooledFit) -> str:
    """The check of the pooled test's assumption."""
    if fit.p_spread is None:
        rows = len(fit.differences)
        few = f"{len(fit.seeds)} complete seeds" if rows > 1 else "one row and its reference"
        return f"{few}: equal spread of the rows is assumed and cannot be checked"
    ratio = f", largest sd / smallest {fit.spread_ratio:.2g}" if fit.spread_ratio else ""
    verdict = "unequal, so the pooled p may be too small" if fit.p_spread < 0.05 else "no sign against equal spread"
    return (
        f"spread of the rows over {len(fit.seeds)} complete seeds: {verdict} "
        f"(Levene p {equals_p(fit.p_spread)}{ratio}); with few seeds this check sees little"
    )


def describe_pair(row: RowAnalysis, design: TestDesign, *, seeds_needed: int | None, is_post_hoc: bool) -> str:
    """Two rows in one sentence: size, interval, test, p raw and corrected, decision, the seeds that would decide."""
    evidence, found, pairs = row.evidence, row.evidence.comparison, row.evidence.comparisons
    word = describe_decision(row, design)
    if found.mean is None:
        return f"{row.label} and {row.reference} have no common seed: {word}"
    is_worse = (found.mean > 0) == design.lower_is_better
    sign = -1 if found.mean < 0 else 1
    half = (found.high - found.low) / 2 if found.high is not None and found.low is not None else 0.0
    size = _number(abs(found.mean), half)
    seeds = f"{found.n} common seed" + "s" * (found.n > 1)
    says = f"is {size} {'worse' if is_worse else 'better'} than" if found.mean else "does not differ from"
    text = f"{row.label} {says} {row.reference} on average over {seeds}"
    if found.low is None or found.high is None or evidence.p is None or evidence.p_adj is None:
        return f"{text} (no interval, no test): {word}"
    low, high = sorted((sign * found.low, sign * found.high))
    inside = f"95 % t interval {_number(low, half)} to {_number(high, half)}"
    of_what = "pair" if is_post_hoc else "planned comparison"
    over = f"{pairs} {of_what}{'s' * (pairs > 1)}{', post hoc' * is_post_hoc}"
    test = TEST_WORDS[evidence.test or "t"]
    tested = f"p {equals_p(evidence.p)} raw by {test}, {format_p(evidence.p_adj)} corrected over {over}"
    needed = f"; about {seeds_needed} seeds would decide an effect of this size with 80 % power" if seeds_needed else ""
    return f"{text} ({inside}; {tested}): {word}{needed if row.decision == 'undecided' else ''}"


def _comparisons(count: int) -> str:
    return f"{count} comparison" + "s" * (count != 1)


def _number(value: float, half: float) -> str:
    """A number in decimals that show two digits of the interval's half width; four digits where that is 0."""
    if not half or not 1e-6 < half < 1e7:
        return f"{value:.4g}".replace("-", MINUS)
    text = f"{value:.{max(0, 1 - math.floor(math.log10(half)))}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", MINUS)
