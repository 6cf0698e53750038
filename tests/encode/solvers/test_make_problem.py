"""What a fit is given, checked before anything is computed."""

import numpy as np
import pytest
import torch

from tristream.encode.solvers.make_problem import COPY, checked_weight, make_problem, room_for

CPU = torch.device("cpu")
RUNS = np.repeat([0, 1, 2], 4)


def given(**other):
    x = torch.randn(12, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    kernels = torch.stack([x[:, :2] @ x[:, :2].T, x[:, 2:] @ x[:, 2:].T])
    options = {
        "kernels": kernels,
        "targets": x[:, :3].clone(),
        "groups": RUNS,
        "gammas": np.array([[0.5, 0.5], [1.0, 0.0]]),
        "alphas": np.array([1.0, 10.0]),
        "intercept": True,
        "score": "r2",
        "device": CPU,
    }
    return options | other


def test_candidates_are_weightings_times_penalties():
    problem = make_problem(**given())
    assert problem.candidates == 4
    assert problem.penalty(3) == 10.0
    assert problem.weighting(3).tolist() == [1.0, 0.0]


def test_weights_multiply_kernels_and_targets_by_their_root():
    weight = torch.arange(1.0, 13, dtype=torch.float64)
    options = given()
    problem, root = make_problem(**options, weight=weight), weight.sqrt()
    expected = options["kernels"][0] * root * root[:, None]
    torch.testing.assert_close(problem.kernels[0], expected)
    rows = problem.targets.rows(slice(None)) * problem.targets.scale[:, None]
    mean = (weight @ options["targets"]) / weight.sum()
    torch.testing.assert_close(rows.T, root[:, None] * (options["targets"] - mean))


@pytest.mark.parametrize(
    ("other", "what"),
    [
        ({"targets": torch.ones(12)}, r"shape \(12,\): expected \(n, voxels\)"),
        ({"targets": torch.ones(12, 2, dtype=torch.int32)}, "expected float32 or float64"),
        ({"targets": torch.full((12, 2), torch.nan)}, "2 of 2 voxels hold NaN"),
        ({"score": "mse"}, "neither 'r2' nor 'correlation'"),
        ({"kernels": torch.ones(2, 11, 12)}, r"band 0 has shape \(11, 12\) for 12 samples"),
        ({"kernels": torch.full((2, 12, 12), torch.inf)}, "band 0 holds NaN or infinite"),
        ({"gammas": np.ones((1, 3))}, "for 2 bands"),
        ({"gammas": np.array([[-1.0, 2.0]])}, "not negative"),
        ({"alphas": np.array([0.0, 1.0])}, "penalties must be positive"),
    ],
)
def test_what_can_not_be_solved_is_refused(other, what):
    with pytest.raises(ValueError, match=what):
        make_problem(**given(**other))


@pytest.mark.parametrize(
    ("weight", "solver", "what"),
    [
        (np.ones(12), "skeleton", "takes solver 'exact', not 'skeleton'"),
        (np.ones(11), "exact", "12 positive numbers"),
        (np.r_[0.0, np.ones(11)], "exact", "12 positive numbers"),
        (np.r_[np.nan, np.ones(11)], "exact", "12 positive numbers"),
    ],
)
def test_weights_are_one_positive_number_a_sample(weight, solver, what):
    with pytest.raises(ValueError, match=what):
        checked_weight(weight, 12, solver)


def test_a_copy_of_targets_is_kept_where_it_is_small():
    small, large = torch.ones(10, 10), torch.empty(COPY // 4, 2, device="meta")
    assert room_for(None, CPU, small) == small.nbytes
    assert room_for(None, CPU, large) == 0
    assert room_for(7, CPU, large) == 7
