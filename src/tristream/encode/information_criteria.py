"""Comparing models: by cross-validation, and ridge by information criteria.

For a ridge fit y = K a + c + e, residuals are e = alpha a, so that the criteria need no new fit:

    AIC = n' ln(RSS / n) + 2 k,   BIC = n' ln(RSS / n) + k ln n',   k = tr H + 1,

where H is the hat matrix, whose trace is the effective degrees of freedom (Hastie, Tibshirani &
Friedman 2009, chapter 7), 1 stands for the intercept, and n' is the number of samples that n
autocorrelated ones are worth, n (1 − ρ) / (1 + ρ) for residuals of first order (Bayley &
Hammersley 1946, Supplement to JRSS 8:184).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Criteria:
    """Information criteria of each voxel; all of shape (voxels,).

    Attributes
    ----------
    degrees : ndarray
        Effective degrees of freedom, tr H.
    samples : ndarray
        Number of samples, corrected for autocorrelation.
    aic, bic : ndarray
        Lower is better; differences between models of one voxel have a meaning.
    """

    degrees: npt.NDArray[np.float64]
    samples: npt.NDArray[np.float64]
    aic: npt.NDArray[np.float64]
    bic: npt.NDArray[np.float64]


def effective_degrees(
    kernels: torch.Tensor, gamma: Floats, alpha: Floats
) -> npt.NDArray[np.float64]:
    """tr H = Σ s / (s + alpha), s the eigenvalues of each voxel's centred kernel.

    Parameters
    ----------
    kernels : Tensor of shape (bands, n, n)
    gamma : ndarray of shape (bands, voxels)
    alpha : ndarray of shape (voxels,)

    Returns
    -------
    ndarray of shape (voxels,)
    """
    out = np.zeros(len(alpha))
    weightings, group = np.unique(gamma, axis=1, return_inverse=True)
    for index, weights in enumerate(weightings.T):
        mixed = torch.einsum(
            "b,bij->ij", torch.as_tensor(weights.astype(float), device=kernels.device), kernels
        )
        mean = mixed.mean(0)
        centred = mixed - mean - mean[:, None] + mean.mean()
        values = torch.linalg.eigvalsh(centred).clamp_min(0).cpu().numpy()
        own = group.ravel() == index
        penalties, back = np.unique(alpha[own], return_inverse=True)
        out[own] = (values / (values + penalties[:, None])).sum(1)[back]
    return out


def effective_samples(residuals: Floats, runs: Ints) -> npt.NDArray[np.float64]:
    """n (1 − ρ) / (1 + ρ), ρ the correlation of successive residuals within runs.

    Parameters
    ----------
    residuals : ndarray of shape (n, voxels)
        Samples of a run in order.
    runs : ndarray of int of shape (n,)

    Returns
    -------
    ndarray of shape (voxels,); n at most: negative autocorrelation is not rewarded
    """
    n = len(residuals)
    product, power = np.zeros(residuals.shape[1]), np.zeros(residuals.shape[1])
    for run in np.unique(runs):
        own = residuals[runs == run].astype(np.float64)
        own = own - own.mean(0)
        product += (own[1:] * own[:-1]).sum(0)
        power += ((own[1:] ** 2).sum(0) + (own[:-1] ** 2).sum(0)) / 2
    rho = np.clip(np.divide(product, power, out=np.zeros_like(power), where=power > 0), 0, 0.99)
    return n * (1 - rho) / (1 + rho)


def ridge_criteria(
    kernels: torch.Tensor, gamma: Floats, alpha: Floats, dual: Floats, runs: Ints
) -> Criteria:
    """AIC and BIC of fitted ridge models.

    Parameters
    ----------
    kernels : Tensor of shape (bands, n, n)
        Of the training samples.
    gamma, alpha : ndarray of shape (bands, voxels), (voxels,)
        Chosen hyperparameters.
    dual : ndarray of shape (n, voxels)
        Dual weights.
    runs : ndarray of int of shape (n,)
        The run of each sample.
    """
    residuals = np.asarray(dual, np.float64) * np.asarray(alpha, np.float64)
    degrees = effective_degrees(kernels, gamma, alpha)
    samples = effective_samples(residuals, runs)
    variance = np.maximum((residuals**2).mean(0), np.finfo(float).tiny)
    fit = samples * np.log(variance)
    parameters = degrees + 1
    bic = fit + parameters * np.log(samples)
    return Criteria(degrees, samples, fit + 2 * parameters, bic)
