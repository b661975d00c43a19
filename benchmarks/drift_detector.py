"""How often the watch over a schedule cries wolf, and how soon it sees a change, over simulated means of a row.

Mean firings between false alarms of all detectors together, over all rows, for a stated 200 (standard error; n = 2,000
histories each, reference of 4 firings), and, apart from these, mean firings between notices of jumps (n = 1,000
histories of 200 firings; - for none):

                                 1 row        5 rows       10 rows      jumps: 1, 5, 10 rows
    normal                         206 (4)      214 (5)      220 (5)      -, -, -
    normal, rows correlated 0.7    206 (5)      273 (6)      330 (7)      -, -, -
    exponential                    197 (4)      209 (4)      216 (4)      40,000, 18,000, 100,000
    lognormal                      202 (4)      213 (5)      212 (5)      1,670, 1,520, 1,960
    t3                             207 (5)      208 (4)      230 (5)      6,900, 5,600, 6,900
    t2                             192 (4)      210 (4)      220 (5)      1,080, 740, 510
    Cauchy                         205 (4)      213 (4)      210 (4)      205, 69, 45
    3 % outliers of 10 sd          212 (5)      224 (5)      222 (5)      970, 2,800, 4,900
    in steps of 1 sd               391 (8)      473 (10)     500 (11)     -, -, -

Whatever the noise, then, within 15 % of the stated time where values are distinct and rows independent: ranks do not
depend on the distribution, so these noises differ by chance. Notices of jumps do. Alarms are rarer than stated, up to
1.6 times, in rows that share seeds, and up to 2.5 times where ties weaken ranks. Where each of 3 seeds is lost with
probability 0, .01, .05 or .2, independent of the (normal) means, the times are 211, 209, 205 and 206 (6) for 1 row
(n = 1,000), and 218, 217, 212 and 213 (9) for 5 rows (n = 500).

Firings until an alarm of a row that loses seeds at each firing, after so many good firings, 1, 3 and 10 rows:

    good firings                   4             7            10           20         60
    1 of 3, 5 or 10 seeds, 1 of 1  13, 18, 24    7, 8, 11     5, 6, 8      4, 4, 5    3, 3, 3
    3 of 3 seeds                   2, 3, 3       2, 2, 2      1, 2, 2      1, 1, 2    1, 1, 1

A row shifts at firing 60, counted from 0 (n = 1,000 histories each, less those with an alarm before): mean delay of
those found within 200 firings, 1 being the first changed one; in brackets the share found within 40; the share of these
dated to +-2:

                         1 row             5 rows             10 rows
    normal      0.5 sd  44.7 (.57) .33     53.4 (.31) .36     55.5 (.22) .36
    normal        1 sd  11.0 (.97) .58     17.1 (.92) .59     20.6 (.86) .60
    normal        2 sd   3.8 (1.00) .88     5.3 (1.00) .90     6.0 (1.00) .89
    exponential   1 sd  11.4 (.98) .75     16.0 (.93) .73     17.7 (.91) .72
    exponential   2 sd   4.3 (1.00) .86     6.2 (1.00) .88     7.0 (1.00) .89
    lognormal     1 sd   6.6 (1.00) .80     9.9 (1.00) .81    10.8 (.99) .83
    lognormal     2 sd   3.8 (1.00) .90     5.4 (1.00) .89     6.1 (1.00) .90
    t3            1 sd   7.3 (1.00) .74    10.8 (.99) .72     12.1 (.99) .71
    t3            2 sd   3.5 (1.00) .89     4.9 (1.00) .91     5.5 (1.00) .89

A change of 2 sd at firing 60 of 100 is always found, and dated to +-2 firings in 9 of 10; one of 1 sd in 6 to 8 of 10;
half a sd is mostly not found in time. The size that an alarm states is too large by 30 to 40 % at 1 sd and by 5 % at
2 sd (normal). Early changes are harder. Normal noise, share found within 40 firings and mean delay, 1 and 10 rows:

    at firing 4, right after the reference: 2 sd .49 and .20; 5 sd 1.00 (12) and .99 (26); 50 sd 1.00 (12) and 1.00 (26)
    at firing 8: 1 sd .45 and .14; 2 sd .88 (15) and .58 (20); 5 sd 1.00 (5) and 1.00 (9)
    at firing 20: 1 sd .80 (22) and .46 (27); 2 sd 1.00 (5) and .99 (9)

    nice python -m benchmarks.drift_detector
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from ablate.statistics.drift.detectors import DIFFERENT_RUN, Thresholds, jumps, thresholds
from ablate.statistics.drift.losses import find_loss
from ablate.statistics.drift.sequential_ranks import ALLOWANCE
from ablate.statistics.drift.watch import MEAN_TIME, MIN_REFERENCE, Alarm, Observation, watch

Numbers = NDArray[np.float64]
Noise = Callable[[np.random.Generator, tuple[int, int, int]], Numbers]
LONGEST = 30
"""Longest history, in stated mean times."""
SEEDS = 3
"""Seeds of a firing, where some are lost."""
MIDDLE, WITHIN, AFTER = 60, 40, 200
"""Where changes are planted, and how many firings follow: of 100, and of 260."""


def _correlated(rng: np.random.Generator, shape: tuple[int, int, int]) -> Numbers:
    """Normal, 0.7 between any two rows of a firing."""
    common = rng.standard_normal((shape[0], 1, shape[2]))
    return math.sqrt(0.7) * common + math.sqrt(0.3) * rng.standard_normal(shape)


NOISES: dict[str, Noise] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "normal, rows correlated 0.7": _correlated,
    "exponential": lambda rng, shape: rng.exponential(size=shape),
    "lognormal": lambda rng, shape: np.exp(rng.standard_normal(shape)),
    "t3": lambda rng, shape: rng.standard_t(3, shape),
    "t2": lambda rng, shape: rng.standard_t(2, shape),
    "Cauchy": lambda rng, shape: rng.standard_cauchy(shape),
    "3 % outliers of 10 sd": lambda rng, shape: rng.standard_normal(shape) * np.where(rng.random(shape) < 0.03, 10, 1),
    "in steps of 1 sd": lambda rng, shape: np.round(rng.standard_normal(shape)),
}
"""Name -> draws (histories, rows, firings)."""


class Flock:
    """Many histories together, all rows of all of them watched as `watch` does, until each has its first alarm."""

    def __init__(self, histories: int, rows: int, at: Thresholds) -> None:
        self.at, self.n = at, 0
        self.values = np.empty((histories, rows, 0))  # a column for each firing
        self.up, self.down = np.zeros((2, histories, rows))
        self.differing = np.zeros((histories, rows))  # how many in a row are not what all before were; -1 for never

    def fire(self, new: Numbers) -> NDArray[np.bool_]:
        """Add a firing, (histories, rows); which histories have an alarm at it."""
        is_watched = self.n >= MIN_REFERENCE
        hits = [self._shift(new, is_watched), self._constant(new)]
        self.values[:, :, self.n] = new
        self.n += 1
        if not is_watched:
            return np.zeros(len(new), bool)
        hit: NDArray[np.bool_] = np.any([*hits, *self._apart()], axis=(0, 2))
        return hit

    def keep(self, which: NDArray[np.bool_]) -> None:
        """Go on with these histories only."""
        for name in ("values", "up", "down", "differing"):
            setattr(self, name, getattr(self, name)[which])

    def reserve(self, firings: int) -> None:
        """Make room for so many more."""
        self.values = np.concatenate([self.values, np.empty((*self.values.shape[:2], firings))], axis=2)

    def _shift(self, new: Numbers, is_watched: bool) -> NDArray[np.bool_]:
        before = self.values[:, :, : self.n]
        below, equal = (before < new[:, :, None]).sum(axis=2), (before == new[:, :, None]).sum(axis=2)
        n = self.n + 1
        spread = math.sqrt(np.mean(ndtri((np.arange(n) + 0.5) / n) ** 2)) or 1.0
        score = ndtri((below + (equal + 1) / 2) / n) / spread
        if is_watched:
            self.up = np.maximum(0, self.up + score - ALLOWANCE)
            self.down = np.maximum(0, self.down - score - ALLOWANCE)
        return np.maximum(self.up, self.down) > self.at.shift

    def _constant(self, new: Numbers) -> NDArray[np.bool_]:
        if not self.n:
            return np.zeros(new.shape, bool)
        is_other = new != self.values[:, :, 0]
        begins = is_other & (self.differing == 0) & (self.n >= MIN_REFERENCE)
        goes_on = is_other & (self.differing > 0)
        ends = (is_other & ~begins & ~goes_on) | (~is_other & (self.differing > 0))
        self.differing = np.where(ends, -1, self.differing + (begins | goes_on))
        hit: NDArray[np.bool_] = self.differing == DIFFERENT_RUN
        return hit

    def _apart(self) -> Iterator[NDArray[np.bool_]]:
        """Each split once: at the firing at which it has as many values after it as it needs."""
        for split in range(max(MIN_REFERENCE, self.n - 64), self.n):
            needed = next(n for n in count(1) if math.comb(split + n, n) >= 1 / self.at.apart)
            if split + needed == self.n:
                before, behind = self.values[:, :, :split], self.values[:, :, split : self.n]
                yield behind.min(axis=2) > before.max(axis=2)
                yield behind.max(axis=2) < before.min(axis=2)


def run_lengths(noise: Noise, rows: int, histories: int, rng: np.random.Generator, block: int = 50) -> Numbers:
    """Firings after the reference window until the first false alarm, one for each history; `LONGEST` cuts it off."""
    flock, left = Flock(histories, rows, thresholds(MEAN_TIME * rows)), np.arange(histories)
    lengths = np.full(histories, LONGEST * MEAN_TIME)
    while len(left) and flock.n < LONGEST * MEAN_TIME:
        flock.reserve(block)
        drawn = noise(rng, (len(left), rows, block))
        for place in range(block):
            is_hit = flock.fire(drawn[:, :, place])
            lengths[left[is_hit]] = flock.n - MIN_REFERENCE
            flock.keep(~is_hit)
            left, drawn = left[~is_hit], drawn[~is_hit]
    return lengths


def cut_by_losses(lengths: Numbers, rows: int, seeds: int, share: float, rng: np.random.Generator) -> Numbers:
    """Firings until the first false alarm of means or lost seeds.

    Args:
        lengths: firings until the first false alarm of the means, one for each history.
        rows: rows that are watched.
        seeds: seeds of each firing.
        share: probability that a seed is lost, independent of the means.
        rng: random numbers.
    """
    chance, cut = thresholds(MEAN_TIME * rows).lost, lengths.copy()
    for index in range(len(cut)):
        for _ in range(rows):
            lost = rng.binomial(seeds, share, int(cut[index]) + MIN_REFERENCE).tolist()
            if loss := find_loss([(one, seeds) for one in lost], MIN_REFERENCE, chance):
                cut[index] = loss.place - MIN_REFERENCE + 1
    return cut


def loss_delay(good: int, seeds: int, lost: int, rows: int) -> int | None:
    """Firings until an alarm of a row that loses so many of its seeds each time after so many good firings."""
    counts = [(0, seeds)] * good + [(lost, seeds)] * AFTER
    loss = find_loss(counts, MIN_REFERENCE, thresholds(MEAN_TIME * rows).lost)
    return loss.place - good + 1 if loss else None


def jump_share(noise: Noise, rows: int, histories: int, rng: np.random.Generator) -> float:
    """Share of firings with a notice of a jump of any row, in the first stated mean time after the reference."""
    height, firings = thresholds(MEAN_TIME * rows).jump, int(MEAN_TIME) + MIN_REFERENCE
    drawn = noise(rng, (histories, rows, firings))
    distances = [[jumps(row.tolist())[MIN_REFERENCE:] for row in one] for one in drawn]
    return float((np.abs(np.array(distances, float)) > height).any(axis=1).mean())


def shifted_alarms(
    noise: Noise, shift_sd: float, changed: int, rows: int, histories: int, rng: np.random.Generator
) -> list[Alarm | None]:
    """First alarms of one of so many rows that shifts by so many standard deviations of its noise at a firing.

    Histories with an alarm before the change are left out.
    """
    sd = float(np.std(noise(rng, (1, 1, 1_000_000))))
    values = noise(rng, (histories, 1, changed + AFTER))[:, 0]
    values[:, changed:] += shift_sd * sd
    alarms = [find_alarm(one.tolist(), rows) for one in values]
    return [alarm for alarm in alarms if alarm is None or alarm.at_index >= changed]


def find_alarm(means: list[float], rows: int) -> Alarm | None:
    """The alarm of a row with these means that is one of so many."""
    days = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(len(means)))
    history = [Observation(day, {"row": mean}) for day, mean in zip(days, means, strict=True)]
    return watch(history, mean_time_between_false_alarms=MEAN_TIME * rows).alarm


def show_times(histories: int, rng: np.random.Generator) -> None:
    """Mean firings between false alarms, and between notices of jumps, for each noise and number of rows."""
    print(f"firings between false alarms, stated {MEAN_TIME:g}: mean (standard error), n = {histories}; between jumps")
    for name, noise in NOISES.items():
        for rows in (1, 5, 10):
            found = run_lengths(noise, rows, histories, rng)
            share = jump_share(noise, rows, histories // 2, rng)
            print(f"  {name:28} {rows:2} rows  {_mean(found)}  {1 / share if share else math.inf:7.0f}", flush=True)
    print(f"the same, normal, where each of {SEEDS} seeds is lost with this probability")
    for rows in (1, 5, 10):
        found = run_lengths(NOISES["normal"], rows, histories, rng)
        for share in (0.01, 0.05, 0.2):
            print(f"  {share:4g} {rows:2} rows  {_mean(cut_by_losses(found, rows, SEEDS, share, rng))}", flush=True)


def _mean(lengths: Numbers) -> str:
    return f"{np.mean(lengths):6.1f} ({np.std(lengths) / math.sqrt(len(lengths)):.1f})"


def show_losses() -> None:
    """How soon lost seeds raise an alarm."""
    print("firings until an alarm of lost seeds, after so many good firings; - for none in 200")
    for seeds, lost in ((3, 1), (5, 1), (10, 1), (3, 3), (1, 1)):
        for rows in (1, 3, 10):
            delays = {good: loss_delay(good, seeds, lost, rows) for good in (4, 7, 10, 15, 20, 30, 60)}
            text = ", ".join(f"{good}: {delay or '-'}" for good, delay in delays.items())
            print(f"  {lost} of {seeds} seeds, {rows:2} rows  {text}")


def show_delays(histories: int, rng: np.random.Generator) -> None:
    """How soon and how well dated a change is found, by noise, rows, place and size."""
    print(f"a row shifts: delay in firings, 1 is the first changed one; of n = {histories}, less those with an alarm")
    print(f"before; found within {WITHIN} and within {AFTER}; mean delay of the latter; dated to +-2 of the former")
    cases = [(name, MIDDLE, shift) for name in ("normal", "exponential", "lognormal", "t3") for shift in (0.5, 1, 2)]
    cases += [("normal", changed, shift) for changed in (4, 8, 20) for shift in (1, 2, 5, 50)]
    for name, changed, shift in cases:
        for rows in (1, 5, 10):
            alarms = shifted_alarms(NOISES[name], shift, changed, rows, histories, rng)
            print(f"  {name:12} firing {changed:2}, {shift:3g} sd, {rows:2} rows  {_summary(alarms, changed)}")


def _summary(alarms: list[Alarm | None], changed: int) -> str:
    found = [alarm for alarm in alarms if alarm]
    delays = [alarm.at_index - changed + 1 for alarm in found]
    soon = [alarm for alarm, delay in zip(found, delays, strict=True) if delay <= WITHIN]
    dated = [abs(alarm.changed_index - changed) <= 2 for alarm in soon]
    shares = f"{len(soon) / len(alarms):5.3f} {len(found) / len(alarms):5.3f}"
    mean, share = (f"{statistics.mean(part):5.2f}" if part else "  -  " for part in (delays, dated))
    size = f"{statistics.mean(alarm.size or 0.0 for alarm in soon):6.2f}" if soon else "  -"
    return f"{shares}  delay {mean}  dated {share}  size {size}"


def main() -> None:
    """Print the tables of this module's header."""
    parser = argparse.ArgumentParser(description="False alarms, delays and dates of the watch over a schedule.")
    parser.add_argument("--histories", type=int, default=2000, help="for each noise and number of rows")
    parser.add_argument("--shifted", type=int, default=1000, help="histories for each change")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    show_losses()
    show_delays(args.shifted, np.random.default_rng(args.seed + 1))
    show_times(args.histories, np.random.default_rng(args.seed))


if __name__ == "__main__":
    main()
