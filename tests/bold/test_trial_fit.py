"""Normal equations give what the whole model gives, with each number of components."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from tristream.bold.trial_fit import Design, TrialFit, nested_basis


@pytest.mark.parametrize("components", [0, 1, 3])
def test_estimates_are_those_of_the_whole_model(components: int) -> None:
    rng = np.random.default_rng(components)
    trials, others, noise = (rng.normal(size=(60, n)) for n in (9, 2, 3))
    bold = rng.normal(size=(60, 5))
    fit = TrialFit(Design(trials, others), noise)
    solved = fit.solve(fit.products(bold), components)
    whole = np.hstack([trials, others, noise[:, :components]])
    wanted = np.linalg.lstsq(whole, bold, rcond=None)[0]
    np.testing.assert_allclose(solved.estimates(), wanted[:9], rtol=1e-8)
    rest = np.linalg.qr(whole[:, 9:])[0]
    left, y = trials - rest @ (rest.T @ trials), bold - rest @ (rest.T @ bold)
    ridge = Ridge(alpha=2.5, fit_intercept=False).fit(left, y).coef_.T
    np.testing.assert_allclose(solved.estimates(2.5), ridge, rtol=1e-8)
    if not components:
        explained = (bold**2).sum(axis=0) - ((bold - whole @ wanted) ** 2).sum(axis=0)
        np.testing.assert_allclose(fit.explained(bold), explained, rtol=1e-8)


def test_trials_that_cannot_be_estimated_are_zero() -> None:
    rng = np.random.default_rng(0)
    trials = rng.normal(size=(40, 5))
    trials[:, 2] = 0
    bold = rng.normal(size=(40, 3)).astype(np.float32)
    fit = TrialFit(Design(trials, np.zeros((40, 0))), np.zeros((40, 0)))
    found = fit.solve(fit.products(bold), 0).estimates()
    np.testing.assert_allclose(found[2], 0, atol=1e-14)
    kept = [0, 1, 3, 4]
    wanted = np.linalg.lstsq(trials[:, kept], bold, rcond=None)[0]
    np.testing.assert_allclose(found[kept], wanted, atol=1e-6)


def test_a_basis_grows_column_by_column() -> None:
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(30, 4))
    columns[:, 2] = columns[:, 0] - columns[:, 1]
    basis = nested_basis(columns)
    np.testing.assert_allclose(basis.T @ basis, np.diag([1, 1, 0, 1]), atol=1e-12)
    for n in range(1, 5):
        left = columns[:, :n] - basis[:, :n] @ (basis[:, :n].T @ columns[:, :n])
        np.testing.assert_allclose(left, 0, atol=1e-10)
