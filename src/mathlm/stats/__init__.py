"""Estimators, intervals and paired tests for scores of models.

Pure functions of numbers to small frozen values: no files, no records, no torch, no SciPy.
"""

from mathlm.stats.calibration import Bin, Calibration, auc, ece
from mathlm.stats.intervals import Interval, bootstrap, bootstrap_ratio, wilson
from mathlm.stats.paired import (
    Comparison,
    compare,
    mcnemar_exact,
    minimum_detectable_difference,
    minimum_detectable_shift,
    paired_permutation,
)
from mathlm.stats.sampling import (
    VarianceSplit,
    Votes,
    avg_at_k,
    maj_at_k,
    pass_at_k,
    variance_split,
    votes_of,
)

__all__ = [
    "Bin",
    "Calibration",
    "Comparison",
    "Interval",
    "VarianceSplit",
    "Votes",
    "auc",
    "avg_at_k",
    "bootstrap",
    "bootstrap_ratio",
    "compare",
    "ece",
    "maj_at_k",
    "mcnemar_exact",
    "minimum_detectable_difference",
    "minimum_detectable_shift",
    "paired_permutation",
    "pass_at_k",
    "variance_split",
    "votes_of",
    "wilson",
]
