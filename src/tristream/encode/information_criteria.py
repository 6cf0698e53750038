"""Comparing models: by cross-validation, and ridge by information criteria.

For the residuals e of a ridge fit:

    AIC = n' ln(RSS / n) + 2 k,   BIC = n' ln(RSS / n) + k ln n',   k = tr H + 1,

where H is the hat matrix, whose trace is the effective degrees of freedom (Hastie, Tibshirani &
Friedman 2009, chapter 7), 1 stands for the intercept, and n' is the number of samples that n
autocorrelated ones are worth (:func:`tristream.encode.residuals.effective_samples`).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from tristream.encode.mixture import Mixture
from tristream.encode.residuals import Residuals


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


def effective_degrees(kernels: torch.Tensor, models: Mixture) -> npt.NDArray[np.float64]:
    """tr H = Σ s / (s + alpha), s the eigenvalues of a model's centred kernel.

    The trace of a mean of models is the mean of their traces.

    Parameters
    ----------
    kernels : Tensor of shape (bands, n, n)
    models : Mixture

    Returns
    -------
    ndarray of shape (voxels,)
    """
    traces = np.zeros(len(models.alpha))
    weightings, group = np.unique(models.gamma, axis=1, return_inverse=True)
    for index, weights in enumerate(weightings.T):
        mixed = torch.einsum(
            "b,bij->ij", torch.as_tensor(weights.astype(float), device=kernels.device), kernels
        )
        mean = mixed.mean(0)
        centred = mixed - mean - mean[:, None] + mean.mean()
        values = torch.linalg.eigvalsh(centred).clamp_min(0).cpu().numpy()
        own = group.ravel() == index
        traces[own] = (values / (values + models.alpha[own, None])).sum(1)
    return np.asarray((models.share * traces[models.index]).sum(0), np.float64)


def ridge_criteria(kernels: torch.Tensor, models: Mixture, residuals: Residuals) -> Criteria:
    """AIC and BIC of fitted ridge models, or of means of them.

    Parameters
    ----------
    kernels : Tensor of shape (bands, n, n)
        Of the training samples.
    models : Mixture
        Hyperparameters.
    residuals : Residuals
    """
    degrees = effective_degrees(kernels, models)
    samples = residuals.samples.astype(np.float64)
    variance = np.maximum(residuals.variance.astype(np.float64), np.finfo(float).tiny)
    fit = samples * np.log(variance)
    parameters = degrees + 1
    bic = fit + parameters * np.log(samples)
    return Criteria(degrees, samples, fit + 2 * parameters, bic)
