"""Fisher's test and the strata against SciPy, enumeration and published examples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathlm.stats import fisher_exact, mantel_haenszel, welch

TABLES = st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 60), st.integers(0, 60))


@settings(deadline=None)
@given(TABLES)
def test_fisher_agrees_with_scipy(table):
    scipy = pytest.importorskip("scipy.stats")
    a, wrong_a, b, wrong_b = table
    found = fisher_exact(a, a + wrong_a, b, b + wrong_b)
    expected = scipy.fisher_exact([[a, wrong_a], [b, wrong_b]])[1]
    assert found.p_value == pytest.approx(expected, rel=1e-6)
    assert found.low <= found.difference <= found.high


def test_newcombes_own_example():
    """56/70 against 48/80: 0.2000 (0.0524 to 0.3339) in Newcombe 1998, table II, method 10."""
    found = fisher_exact(56, 70, 48, 80)
    assert (found.difference, found.low, found.high) == pytest.approx(
        (0.2, 0.0524, 0.3339), abs=5e-5
    )


def test_strata_undo_a_mix_that_misleads():
    """Simpson: the hits are better at both levels, and worse when levels are thrown together."""
    strata = [(81, 87, 234, 270), (192, 263, 55, 80)]
    pooled = fisher_exact(81 + 192, 87 + 263, 234 + 55, 270 + 80)
    common = mantel_haenszel(strata)
    assert pooled.difference < 0 < common.difference
    assert common.n == (350, 350)


def test_one_stratum_is_the_plain_difference_and_empty_ones_do_not_count():
    common = mantel_haenszel([(30, 50, 40, 100), (0, 0, 3, 9), (2, 2, 0, 0)])
    assert common.difference == pytest.approx(0.2)
    assert mantel_haenszel([(0, 0, 3, 9)]) is None


def test_strata_keep_the_error_rate():
    random = np.random.default_rng(3)
    alarms = 0
    for _ in range(400):
        strata = []
        for share, n, m in ((0.7, 12, 300), (0.4, 30, 500), (0.1, 60, 400)):
            strata.append((int(random.binomial(n, share)), n, int(random.binomial(m, share)), m))
        alarms += mantel_haenszel(strata).p_value <= 0.05
    assert alarms / 400 < 0.085


def test_no_items_conclude_nothing():
    found = fisher_exact(0, 0, 3, 9)
    assert (found.low, found.high, found.p_value) == (-1.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="cannot have"):
        fisher_exact(3, 2, 0, 1)


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 8).map(lambda v: v / 8), min_size=2, max_size=20),
    st.lists(st.integers(0, 8).map(lambda v: v / 8), min_size=2, max_size=20),
)
def test_welch_agrees_with_scipy(first, second):
    scipy = pytest.importorskip("scipy.stats")
    found = welch(first, second)
    if len(set(first)) > 1 and len(set(second)) > 1:
        expected = scipy.ttest_ind(first, second, equal_var=False)
        assert found.p_value == pytest.approx(float(expected.pvalue), rel=1e-6)
        bounds = expected.confidence_interval()
        assert found.low == pytest.approx(max(-1.0, bounds.low), rel=1e-6, abs=1e-9)
