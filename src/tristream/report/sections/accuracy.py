"""How well the encoding models predict held-out BOLD."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tristream.encode.ceiling import within_run_repeats
from tristream.maps.score_maps import MIN_CEILING
from tristream.report import report_figures as figures
from tristream.report.elements import Block, Heading, Missing, Section, Table, Text, facts
from tristream.report.sections.maps import figures_of, files_of
from tristream.report.study_results import Results
from tristream.store import open_h5, read_table


@dataclass(frozen=True)
class Fit:
    """What the section reads of one encoding."""

    r: npt.NDArray
    r2: npt.NDArray
    ceiling: npt.NDArray | None
    explainable: npt.NDArray | None
    halves: npt.NDArray | None
    alpha: npt.NDArray
    cv: npt.NDArray
    attrs: dict[str, Any]
    simulated: bool
    notes: list[Missing]


def section(results: Results, dataset: str, subject: str) -> Section:
    """Scores of every model, their ceilings, and maps."""
    blocks: list[Block] = []
    fits: dict[str, Fit] = {}
    for name in results.models(dataset):
        path = results.path("encoding", dataset=dataset, model=name, subject=subject)
        if gone := results.missing(f"Encoding model {name}", path):
            blocks += gone
        else:
            fits[name] = _read(results, path)
    if not results.models(dataset):
        blocks.append(Text("The study has no encoding model for this dataset."))
    if any(fit.ceiling is not None for fit in fits.values()):
        blocks += _within_run(results, dataset)
    if fits:
        blocks += [_table(fits), _histogram(results, dataset, subject, fits)]
    for name, fit in fits.items():
        plain = results.is_plain(results.models(dataset)[name])
        blocks.append(Heading(f"Model {name}"))
        blocks += fit.notes
        if fit.ceiling is not None and not plain:
            blocks.append(_ceiling(results, dataset, subject, name, fit))
            blocks += _second_opinion(fit)
        blocks += figures_of(results, dataset, name, subject, ("r", "normalized"))
        blocks += files_of(results, dataset, name, subject)
    return Section("accuracy", "Accuracy", blocks)


def _read(results: Results, path: Any) -> Fit:
    with open_h5(path, "encoding") as (file, said):
        keys = ("ceiling/r", "ceiling/explainable", "ceiling/halves")
        ceiling, explainable, halves = (file[k][()] if k in file else None for k in keys)
        return Fit(
            file["scores/r"][()],
            file["scores/r2"][()],
            ceiling,
            explainable,
            halves,
            file["hyper/alpha"][()],
            file["hyper/cv"][()],
            dict(file.attrs),
            said.simulated,
            results.read(path, said),
        )


def _table(fits: dict[str, Fit]) -> Table:
    columns = (
        "model",
        "voxels",
        "mean r",
        "median r",
        "99th percentile of r",
        "mean R²",
        "median CV R²",
        "median ceiling r",
        "alpha at the grid's lower end",
        "alpha at its upper end",
        "solver",
        "estimated loss",
    )
    rows = []
    for name, fit in fits.items():
        alphas = _numbers(fit.attrs.get("alphas", "[NaN]"))
        ceiling = float(np.nanmedian(fit.ceiling)) if fit.ceiling is not None else None
        ends = [f"{np.isclose(fit.alpha, a).mean():.0%}" for a in (alphas.min(), alphas.max())]
        numbers = (np.nanmean(fit.r), np.nanmedian(fit.r), np.nanpercentile(fit.r, 99))
        more = (np.nanmean(fit.r2), np.nanmedian(fit.cv))
        values = tuple(float(v) for v in (*numbers, *more))
        loss = fit.attrs.get("estimated_loss")
        gained = "" if loss is None else f"{float(loss):.0e}"
        solver = str(fit.attrs.get("solver", ""))
        rows.append((name, len(fit.r), *values, ceiling, *ends, solver, gained))
    caption = (
        "Scores over all voxels. r and R² are from data that were not used for fitting; CV R² is "
        "the score by which each voxel's penalty and band weights were chosen. A large share of "
        "voxels at the lower end of the grid of alphas asks for a wider grid; unpredictable voxels "
        "take the upper end. The estimated loss is about the mean CV R² that the solver `skeleton` "
        "loses at most: what scoring each voxel's shortlist in full gained over interpolation, and "
        "what others seem to be better."
    )
    return Table(caption, columns, tuple(rows))


def _numbers(said: Any) -> npt.NDArray[np.float64]:
    """An attribute that is an array, or a list written as JSON."""
    return np.asarray(json.loads(said) if isinstance(said, str) else said, dtype=float)


def _histogram(results: Results, dataset: str, subject: str, fits: dict[str, Fit]) -> Block:
    drawing = figures.histogram({name: fit.r for name, fit in fits.items()}, "test r", "voxels")
    table = pd.DataFrame({name: np.round(fit.r, 5) for name, fit in fits.items()})
    caption = (
        "Distribution over voxels of the correlation between predicted and measured BOLD in the "
        "test data. A model that knows nothing gives a distribution around 0."
    )
    simulated = any(fit.simulated for fit in fits.values())
    title = f"Accuracy of all models, sub-{subject}"
    name = f"{dataset}/sub-{subject}/accuracy"
    return results.figure(drawing, name, title, caption, table, simulated)


def _ceiling(results: Results, dataset: str, subject: str, model: str, fit: Fit) -> Block:
    assert fit.ceiling is not None
    drawing = figures.density(fit.ceiling, fit.r, ("noise ceiling of r", "test r"))
    table = pd.DataFrame({"ceiling": fit.ceiling.round(5), "r": fit.r.round(5)})
    caption = (
        "Voxels by their noise ceiling (the highest r that the noise of the averaged test run "
        "allows) and the r that the model reaches; red: the ceiling. Ratios of the two are mapped "
        f"only where the ceiling is above {MIN_CEILING}."
    )
    title = f"Accuracy and noise ceiling, model {model}, sub-{subject}"
    name = f"{dataset}/sub-{subject}/ceiling_{model}"
    return results.figure(drawing, name, title, caption, table, fit.simulated)


def _second_opinion(fit: Fit) -> list[Block]:
    """The ceiling's two estimates side by side."""
    if fit.halves is None or fit.explainable is None:
        return []
    both = np.isfinite(fit.halves) & np.isfinite(fit.explainable)
    rows = {
        "Explainable variance of the averaged test run, mean over voxels": float(
            fit.explainable[both].mean()
        ),
        "The same by split halves (Spearman-Brown)": float(fit.halves[both].mean()),
        "Correlation of the two over voxels": float(
            np.corrcoef(fit.explainable[both], fit.halves[both])[0, 1]
        ),
        "Repeats": int(fit.attrs.get("n_repeats", 0)),
    }
    return [facts(rows)]


def _within_run(results: Results, dataset: str) -> list[Block]:
    """Stimuli that one test run shows twice: they are no repeats, and a reader should know."""
    path = results.path("inventory", dataset=dataset)
    if not path.is_file():
        return []
    table, said = read_table(path, "inventory")
    results.read(path, said)
    split = results.resolved.datasets[dataset].split
    tested = table[table["run"].map(split.is_test) & (table["kind"] != "label")]
    found = within_run_repeats(zip(tested["run"], tested["item"].astype(str), strict=True))
    if not found:
        return []
    listed = "; ".join(f"{run}: {', '.join(items)}" for run, items in found.items())
    return [
        Text(
            f"Some test runs show a stimulus more than once ({listed}). The ceiling takes whole "
            "runs for repeats, never showings within a run, which share slow noise."
        )
    ]
