"""Kernels of delayed, projected, reduced and centred features against these features."""

import numpy as np
import pytest
import torch

from tristream.encode.solvers import kernels


def explicit_delays(x, lengths, delays):
    """Delayed features written out, zeros before each run's start."""
    parts = []
    for run in np.split(x, np.cumsum(lengths)[:-1]):
        shifted = [np.vstack([np.zeros((d, run.shape[1])), run])[: len(run)] for d in delays]
        parts.append(np.hstack(shifted))
    return np.vstack(parts)


@pytest.mark.parametrize("delays", [[0], [1, 2, 3, 4], [2, 5, 9]])
def test_delayed_projected_kernel_equals_explicit_features(delays):
    rng = np.random.default_rng(0)
    rows, columns = [20, 13, 7], [11, 30]
    left, right = rng.standard_normal((40, 9)), rng.standard_normal((41, 9))
    bases = [np.linalg.qr(rng.standard_normal((n, 3)))[0] for n in (*rows, *columns)]
    explicit = []
    for x, lengths, own in ((left, rows, bases[:3]), (right, columns, bases[3:])):
        delayed = np.split(explicit_delays(x, lengths, delays), np.cumsum(lengths)[:-1])
        explicit.append(np.vstack([d - q @ q.T @ d for d, q in zip(delayed, own, strict=True)]))
    position = [torch.cat([torch.arange(n) for n in lengths]) for lengths in (rows, columns)]
    kernel = kernels.delayed_kernel(torch.from_numpy(left @ right.T), *position, delays)
    tensors = [torch.from_numpy(q) for q in bases]
    kernel = kernels.project_rows(kernel, tensors[:3])
    kernel = kernels.project_rows(kernel.T, tensors[3:]).T
    assert kernel.numpy() == pytest.approx(explicit[0] @ explicit[1].T, abs=1e-10)


def test_linear_kernel_standardises_and_leaves_constant_columns_out():
    rng = np.random.default_rng(0)
    x = (1e3 + rng.standard_normal((50, 12)) * np.arange(12)).astype(np.float32)
    scaler = kernels.Scaler.fit(x[:30])
    assert scaler.varies.tolist() == [False] + [True] * 11
    z = (x[:, 1:].astype(float) - x[:30, 1:].mean(0, dtype=float)) / x[:30, 1:].std(0, dtype=float)
    assert kernels.linear_kernel(x, 20, scaler).numpy() == pytest.approx(z @ z[:20].T, rel=1e-10)


def test_principal_kernel_equals_components_of_the_features():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 20))
    train = np.arange(40) % 7 > 0
    x -= x[:40][train].mean(0)
    components = np.linalg.svd(x[:40][train], full_matrices=False)[2][:6]
    expected = (x @ components.T) @ (x[:40] @ components.T).T
    found = kernels.principal_kernel(torch.from_numpy(x @ x[:40].T), torch.from_numpy(train), 6)
    assert found.numpy() == pytest.approx(expected, abs=1e-9)


def test_centred_kernel_equals_centred_features():
    rng = np.random.default_rng(0)
    train, new = rng.random((30, 5)), rng.random((8, 5))
    expected = (new - train.mean(0)) @ (train - train.mean(0)).T
    found = kernels.centre(torch.from_numpy(new @ train.T), torch.from_numpy(train @ train.T))
    assert found.numpy() == pytest.approx(expected, abs=1e-12)
