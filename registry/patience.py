"""The gate's first rule, kept so that verdicts made under it are made again: patience that ends with the reign.

The k-th challenge of one reign was tested at alpha_k = alpha 6 / (pi k)^2, whose sum over all k is alpha (Basel
problem), with Student's t of n - 1 degrees of freedom on the bootstrap's own standard error. A gain of three standard
errors was seen with probability 0.85 by the first challenge and 0.05 by the fiftieth: `registry.gate` has another rule.
"""

import math
from collections.abc import Mapping

from registry.weighing import Evidence, Weighing, decided, measured, name_of, seed_of, told
from zoo.scoring.bootstrap import student_quantile
from zoo.scoring.metrics import Scoring
from zoo.scoring.units import Units

ALPHA = 0.05  # chance that a champion is ever deposed by one no better, over its whole reign


class Verdict(Weighing, Evidence):
    """A decision of the first rule; it names no rule, for there was no other."""

    margin: float  # least gain worth a change
    challenge: int  # k: the how-manieth of this reign

    @property
    def corrected_error(self) -> float:
        """Standard error of the gain, the bootstrap's plug-in variance made good: it came without that."""
        return self.standard_error * math.sqrt(self.unit_count / (self.unit_count - 1))


def judge_again(verdict: Verdict, new: Units, old: Units, files: Mapping[str, str], scoring: Scoring) -> Verdict:
    """A stored verdict made again from the units of both sides."""
    asked = (verdict.protocol, verdict.data_digest, verdict.challenge, verdict.margin, verdict.resamples)
    seed, unit_count = seed_of(files, *asked), min(len(new), len(old))
    found = measured(new, old, scoring, resamples=verdict.resamples, seed=seed)
    level = alpha_of(verdict.challenge)
    reach = student_quantile(1 - level, unit_count - 1) * found.standard_error
    interval = found.gain - reach, found.gain + reach
    again = verdict.model_copy(
        update={
            **found._asdict(),
            "metric": scoring.metrics[0].name,
            "interval": interval,
            "alpha": level,
            "unit_count": unit_count,
            "seed": seed,
            "units": dict(files),
        }
    )
    decision = decided(*interval, margin=verdict.margin) if again.spread else "HOLD"
    again = again.model_copy(update={"decision": decision})
    return again.model_copy(update={"reason": _reason(again, interval)})


def alpha_of(challenge: int, alpha: float = ALPHA) -> float:
    """The one-sided level of the k-th challenge of a reign; over all k they sum to alpha."""
    return alpha * 6 / (math.pi * challenge) ** 2


def _reason(verdict: Verdict, interval: tuple[float, float]) -> str:
    low, high = interval
    return (
        f"{told(verdict, name_of(verdict.entry, verdict.champion), margin=verdict.margin)}: {verdict.metric} gain "
        f"{verdict.gain:+.4g}, interval [{low:+.4g}, {high:+.4g}] "
        f"over {verdict.unit_count} units, challenge {verdict.challenge} of this reign"
    )
