"""Ridge models of kernels: banded ridge, and stacking of one model a band."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tristream.config.delays import in_volumes
from tristream.config.models import EncodingDesign
from tristream.encode.bands import BandKernels, Form, band_kernels
from tristream.encode.disk_arrays import DiskArrays
from tristream.encode.encoding_file import Encoding
from tristream.encode.fit_inputs import Floats, Inputs, Ints
from tristream.encode.mixture import Mixture
from tristream.encode.model_kind import (
    Model,
    Progress,
    bands_in_words,
    left_out_in_words,
    penalties,
)
from tristream.encode.residuals import Residuals
from tristream.encode.solvers import banded_ridge
from tristream.encode.solvers.gradient import STEPS
from tristream.phrases import counted, listed

# Voxels that are predicted at a time.
CHUNK = 1024


@dataclass(frozen=True)
class _Weights:
    """Band weights (bands, voxels), dual weights (n, voxels) or (bands, n, voxels), intercept."""

    gamma: torch.Tensor
    duals: torch.Tensor
    intercept: torch.Tensor

    def predict(self, kernels: torch.Tensor) -> torch.Tensor:
        """Each band's part, without the intercept, from kernels (bands, m, n)."""
        return banded_ridge.predict(kernels, self.duals, self.gamma)

    def parts(self) -> Iterator[tuple[slice, "_Weights"]]:
        """Some voxels after the other."""
        for start in range(0, len(self.intercept), CHUNK):
            part = slice(start, start + CHUNK)
            yield (
                part,
                _Weights(self.gamma[:, part], self.duals[..., part], self.intercept[part]),
            )

    def predicted(self, kernels: torch.Tensor, arrays: DiskArrays) -> Floats:
        """As :meth:`predict`, (bands, m, voxels)."""
        like = self.duals[..., :0].cpu().numpy()
        out = arrays.zeros((*kernels.shape[:2], len(self.intercept)), like.dtype)
        for part, own in self.parts():
            out[..., part] = own.predict(kernels).cpu().numpy()
            arrays.forget()
        return out

    def together(self, kernels: torch.Tensor, arrays: DiskArrays) -> Floats:
        """What all bands predict, (m, voxels)."""
        like = self.duals[..., :0].cpu().numpy()
        out = arrays.zeros((kernels.shape[1], len(self.intercept)), like.dtype)
        for part, own in self.parts():
            out[:, part] = own.predict(kernels).sum(0).cpu().numpy()
            arrays.forget()
        return out

    def residuals(
        self, y: Floats, kernels: torch.Tensor, runs: Ints, arrays: DiskArrays
    ) -> Residuals:
        """What is left of the training data (n, voxels)."""
        found = []
        for part, own in self.parts():
            fitted = own.predict(kernels).sum(0) + own.intercept
            found.append(Residuals.of(y[:, part] - fitted.cpu().numpy(), runs))
            arrays.forget()
        return Residuals.joined(found)


def fit_banded(
    inputs: Inputs,
    model: EncodingDesign,
    train: Sequence[str],
    test: Sequence[str],
    device: str,
    progress: Progress,
) -> Model:
    """Ridge with a weight for each band; of one band, ridge."""
    kernels = kernels_of(inputs, model, train, test, device)
    y, runs = _targets(inputs, train)
    # One band has nothing to step along.
    stepped = model.solver == "gradient" and len(kernels.train) > 1
    find = _stepped if stepped else _searched
    found = find(model, kernels.train, torch.from_numpy(y), runs, inputs.arrays, progress)
    own, best = found.own, found.best

    def predict(members: Sequence[str]) -> Floats:
        return own.predicted(_mean_kernel(kernels, members), inputs.arrays)

    def predict_best(members: Sequence[str]) -> Floats:
        return best.together(_mean_kernel(kernels, members), inputs.arrays)

    return Model(
        gamma=own.gamma.cpu().numpy(),
        alpha=found.alpha,
        cv=found.cv.cpu().numpy(),
        dual=own.duals.cpu().numpy(),
        intercept=own.intercept.cpu().numpy(),
        constant=kernels.constant,
        solution=found.solution,
        predict=predict,
        mixture=found.mixture,
        predict_best=predict_best if found.mixture else None,
        residuals=lambda: own.residuals(y, kernels.train, runs, inputs.arrays),
    )


@dataclass(frozen=True)
class _Found:
    """A voxel's model, of a mean of models the best one of them, and how they were found."""

    own: _Weights
    best: _Weights
    alpha: Floats
    cv: torch.Tensor
    solution: dict[str, Any]
    mixture: Mixture | None = None


def _searched(
    model: EncodingDesign,
    kernels: torch.Tensor,
    y: torch.Tensor,
    runs: Ints,
    arrays: DiskArrays,
    progress: Progress,
) -> _Found:
    """By the scores of candidates."""
    grid = penalties(model)
    gammas = banded_ridge.dirichlet_candidates(model.candidates, len(kernels), model.seed)
    # A mean over penalties alone gains nothing.
    select = model.select if len(gammas) > 1 else "best"
    found = banded_ridge.fit(
        kernels,
        y,
        runs,
        gammas,
        grid,
        select=select,
        memory=_copies(kernels),
        arrays=arrays,
        progress=progress,
    )
    chosen = torch.as_tensor(gammas[found.choice.gamma.cpu().numpy()].T)
    own = best = _Weights(chosen.to(found.duals), found.duals, found.intercept)
    mixture = None
    if (mean := found.average) is not None:
        own = _Weights(mean.gamma, mean.duals, mean.intercept)
        members = mean.candidates.cpu().numpy(), mean.shares.cpu().numpy()
        mixture = Mixture.of(gammas, grid, *members, mean.temperature)
    solution = {
        "solver": found.solver,
        "select": select,
        "estimated_loss": found.estimated_loss,
        "rank": found.rank,
        "candidates": len(gammas),
        "search_dtype": found.dtype,
    }
    alpha = grid[found.choice.alpha.cpu().numpy()]
    return _Found(own, best, alpha, found.choice.score, solution, mixture)


def _copies(kernels: torch.Tensor) -> int | None:
    """Bytes of copies that the solver may make: on a CPU voxels are rows already."""
    return 0 if kernels.device.type == "cpu" else None


def _stepped(
    model: EncodingDesign,
    kernels: torch.Tensor,
    y: torch.Tensor,
    runs: Ints,
    arrays: DiskArrays,
    progress: Progress,
) -> _Found:
    """By steps from equal weights."""
    found = banded_ridge.fit_gradient(
        kernels,
        y,
        runs,
        penalties(model),
        memory=_copies(kernels),
        arrays=arrays,
        progress=progress,
    )
    own = _Weights(found.gamma.to(found.duals), found.duals, found.intercept)
    solution = {"solver": "gradient", "select": "best", "steps": STEPS, "candidates": 0}
    return _Found(own, own, found.alpha.cpu().numpy(), found.score, solution)


def banded_methods(encoding: Encoding) -> list[str]:
    """Sentences about :func:`fit_banded`."""
    name, bands = encoding.about["model"], bands_in_words(encoding)
    many = len(encoding.bands) > 1
    kind = (
        "banded ridge regression [@nunezelizalde2019; @dupre2022]" if many else "ridge regression"
    )
    alike = many and encoding.about["candidates"] == 1
    return [
        f"Encoding model {name} was {kind} of {bands}, fitted to each voxel.",
        *(["All bands had the same weight."] if alike else []),
        *Form.of(encoding.about).methods(encoding.about),
        _search_in_words(encoding),
        *_solver_in_words(encoding),
        *_mean_in_words(encoding),
    ]


def fit_stacking(
    inputs: Inputs,
    model: EncodingDesign,
    train: Sequence[str],
    test: Sequence[str],
    device: str,
    progress: Progress,
) -> Model:
    """One ridge model a band, combined by convex weights."""
    # The estimators have scikit-learn's surface, which takes long to import.
    from tristream.encode.estimators import StackedRidgeCV

    kernels = kernels_of(inputs, model, train, test, device)
    y, runs = _targets(inputs, train)
    fitted = StackedRidgeCV(
        alphas=penalties(model),
        kernel="precomputed",
        device=kernels.train.device.type,
        progress=progress,
    ).fit(kernels.train, y, runs)
    assert fitted.dual_ is not None

    def predict(members: Sequence[str]) -> Floats:
        parts = fitted.predict(_mean_kernel(kernels, members), split=True)
        return parts.cpu().numpy()

    return Model(
        gamma=fitted.gamma_,
        alpha=fitted.alpha_,
        cv=fitted.cv_,
        dual=fitted.dual_,
        intercept=fitted.intercept_,
        constant=kernels.constant,
        solution={"solver": "exact", "candidates": 1},
        predict=predict,
    )


def stacking_methods(encoding: Encoding) -> list[str]:
    """Sentences about :func:`fit_stacking`."""
    return [
        f"Encoding model {encoding.about['model']} was ridge regression of each band alone, of "
        f"{bands_in_words(encoding)}, stacked for each voxel with convex weights that minimise "
        "the squared error of the weighted predictions of left-out training runs "
        "[@breiman1996; @lin2023].",
        *Form.of(encoding.about).methods(encoding.about),
        _search_in_words(encoding, "For each band and voxel"),
    ]


def kernels_of(
    inputs: Inputs, model: EncodingDesign, train: Sequence[str], test: Sequence[str], device: str
) -> BandKernels:
    """Kernels of a model's bands, see :func:`tristream.encode.bands.band_kernels`."""
    return band_kernels(
        inputs.features,
        inputs.layout,
        inputs.runs,
        train,
        test,
        in_volumes(model.delays, inputs.tr),
        model.components,
        device,
        Form.of(
            {
                "hrf": model.hrf,
                "kernels": model.kernels,
                "tr": inputs.tr,
                "items": inputs.items,
            }
        ),
    )


def _targets(inputs: Inputs, train: Sequence[str]) -> tuple[Floats, Ints]:
    """BOLD of the training volumes (n, voxels), in memory voxel by voxel; the run of each."""
    lengths = [len(inputs.runs[name].rows) for name in train]
    by_voxel = inputs.arrays.zeros((len(inputs.ijk), sum(lengths)))
    for name, stop, length in zip(train, np.cumsum(lengths), lengths, strict=True):
        values = inputs.runs[name].bold(inputs.runs[name].rows)
        for start in range(0, len(by_voxel), CHUNK):
            part = slice(start, start + CHUNK)
            by_voxel[part, stop - length : stop] = values[:, part].T
        inputs.arrays.forget()
    return by_voxel.T, np.repeat(np.arange(len(train)), lengths)


def _search_in_words(encoding: Encoding, whose: str = "For each voxel") -> str:
    about = encoding.about
    grid, weightings = about["alphas"], about["candidates"]
    if about["solver"] == "gradient":
        return _steps_in_words(encoding)
    chosen = []
    if weightings > 1:
        bands = len(encoding.bands)
        alone = "each band alone" if weightings > bands else f"{weightings - 1} of them alone"
        tried = ["all bands alike", alone]
        if weightings > bands + 1:
            tried.append(f"{weightings - 1 - bands} random ones, seed {about['seed']}")
        chosen.append(f"the weights of the bands ({weightings} candidates: {listed(tried)})")
    size = f"{grid[0]:g}"
    if len(grid) > 1:
        size = f"{counted(len(grid), 'value')} from {grid[0]:g} to {grid[-1]:g}"
    relative = "relative to kernels whose mean diagonal is 1"
    if len(grid) == 1 and not chosen:
        return f"The penalty was {size}, {relative}."
    chosen.append(f"the penalty ({size}, {relative})")
    if encoding.fitted.mixture is not None:
        what = " and ".join(chosen)
        return f"{whose}, pairs of {what} were scored by R², {left_out_in_words(encoding)}."
    verb = "were" if len(chosen) > 1 else "was"
    return (
        f"{whose} {listed(chosen)} {verb} chosen by cross-validated R², "
        f"{left_out_in_words(encoding)}."
    )


def _steps_in_words(encoding: Encoding) -> str:
    """How band weights and penalty were found without candidates."""
    about = encoding.about
    grid = about["alphas"]
    return (
        "For each voxel, from bands alike under the best of "
        f"{len(grid)} penalties ({grid[0]:g} to {grid[-1]:g}, relative to kernels whose mean "
        f"diagonal is 1), {about['steps']} steps led the weights of the bands and the penalty "
        "towards those under which left-out residuals are orthogonal to each band's part of the "
        f"left-out prediction, {left_out_in_words(encoding)}; voxels whose cross-validated R² did "
        "not rise stayed where they began."
    )


def _solver_in_words(encoding: Encoding) -> list[str]:
    """How the candidates of banded ridge were scored."""
    about = encoding.about
    if about["solver"] == "gradient":
        return []
    pairs, scored = about["candidates"] * len(about["alphas"]), about["rank"]
    if pairs == 1:
        return []
    what = "penalties" if about["candidates"] == 1 else "pairs of band weights and penalty"
    if scored >= pairs:
        return [f"All {pairs:,} {what} were scored on every voxel."]
    return [
        f"Of the {pairs:,} {what} {scored:,} were scored on every voxel, scores of the others were "
        "interpolated from these, and each voxel's most promising ones were scored exactly."
    ]


def _mean_in_words(encoding: Encoding) -> list[str]:
    """Of which models the mean was taken, and under which weights."""
    if encoding.fitted.mixture is None:
        return []
    used = [test.mixture for test in encoding.tests.values()]
    temperatures = sorted(one.temperature for one in used if one is not None)
    size = " to ".join(dict.fromkeys(f"{t:.2g}" for t in (temperatures[0], temperatures[-1])))
    folds = "left-out training runs" if encoding.about["scheme"] == "holdout" else "left-out runs"
    return [
        "A voxel's model was the mean of those of its near-best pairs, each fitted to all training "
        "runs and weighed by exp(R²/T) [@breimanheuristics1996]; T was the standard error, over "
        f"{folds}, of differences in R² between near-best pairs and the best one ({size}). Weights "
        "of bands are means, too."
    ]


def _mean_kernel(kernels: BandKernels, members: Sequence[str]) -> torch.Tensor:
    return torch.stack([kernels.test[name] for name in members]).mean(0)
