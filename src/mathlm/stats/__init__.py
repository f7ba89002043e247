"""Estimators, intervals and tests for scores of models.

Pure functions of numbers to small frozen values: no files, no records, no torch, no SciPy.
Formulas and sources: docs/statistics.md.
"""

from mathlm.stats.calibration import Bin, Calibration, auc, ece
from mathlm.stats.intervals import Interval, bootstrap, bootstrap_ratio, wilson
from mathlm.stats.paired import (
    Comparison,
    compare,
    holm,
    mcnemar_exact,
    minimum_detectable_difference,
    minimum_detectable_shift,
    paired_permutation,
)
from mathlm.stats.sampling import avg_at_k, pass_at_k, pass_curve
from mathlm.stats.unpaired import Difference, fisher_exact, mantel_haenszel, welch
from mathlm.stats.variance import SeedComparison, VarianceSplit, compare_seeds, variance_split
from mathlm.stats.voting import Votes, maj_at_k, votes_of

__all__ = [
    "Bin",
    "Calibration",
    "Comparison",
    "Difference",
    "Interval",
    "SeedComparison",
    "VarianceSplit",
    "Votes",
    "auc",
    "avg_at_k",
    "bootstrap",
    "bootstrap_ratio",
    "compare",
    "compare_seeds",
    "ece",
    "fisher_exact",
    "holm",
    "maj_at_k",
    "mantel_haenszel",
    "mcnemar_exact",
    "minimum_detectable_difference",
    "minimum_detectable_shift",
    "paired_permutation",
    "pass_at_k",
    "pass_curve",
    "variance_split",
    "votes_of",
    "welch",
    "wilson",
]
