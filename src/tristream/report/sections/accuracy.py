"""How well the encoding models predict held-out BOLD."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tristream.encode.ceiling import within_run_repeats
from tristream.encode.encoding_file import ScoredVoxels, read_scores
from tristream.maps.score_maps import MIN_CEILING
from tristream.report import report_figures as figures
from tristream.report.elements import Block, Heading, Missing, Section, Table, Text, facts
from tristream.report.sections.maps import figures_of, files_of
from tristream.report.study_results import Results
from tristream.stimuli.tables import read_inventory, read_splits


@dataclass(frozen=True)
class Fit:
    """What an encoding scored, whether its BOLD is simulated, and what it lacks."""

    scored: ScoredVoxels
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
    if any(fit.scored.ceiling is not None for fit in fits.values()):
        blocks += _within_run(results, dataset)
    if fits:
        blocks += [_table(fits), _histogram(results, dataset, subject, fits)]
    for name, fit in fits.items():
        plain = results.is_plain(results.models(dataset)[name])
        blocks.append(Heading(f"Model {name}"))
        blocks += fit.notes
        if fit.scored.ceiling is not None and not plain:
            blocks.append(_ceiling(results, dataset, subject, name, fit))
            blocks += _second_opinion(fit)
        blocks += figures_of(results, dataset, name, subject, ("r", "normalized"))
        blocks += files_of(results, dataset, name, subject)
    return Section("accuracy", "Accuracy", blocks)


def _read(results: Results, path: Path) -> Fit:
    scored, provenance = read_scores(path)
    return Fit(scored, provenance.simulated, results.read(path, provenance))


def _table(fits: Mapping[str, Fit]) -> Table:
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
    caption = (
        "Scores over all voxels. r and R² are from data that were not used for fitting; CV R² is "
        "the score by which each voxel's penalty and band weights were chosen. A large share of "
        "voxels at the lower end of the grid of alphas asks for a wider grid; unpredictable voxels "
        "take the upper end. The estimated loss is about the mean CV R² that the solver `skeleton` "
        "loses at most: what scoring each voxel's shortlist in full gained over interpolation, and "
        "what others seem to be better."
    )
    return Table(caption, columns, tuple(_row(name, fit.scored) for name, fit in fits.items()))


def _row(name: str, scored: ScoredVoxels) -> tuple[object, ...]:
    scores, about = scored.scores, scored.about
    alphas = np.asarray(about.get("alphas", [np.nan]), float)
    ends = [f"{np.isclose(scored.alpha, a).mean():.0%}" for a in (alphas.min(), alphas.max())]
    r = scores.r
    numbers = (np.nanmean(r), np.nanmedian(r), np.nanpercentile(r, 99), np.nanmean(scores.r2))
    ceiling = float(np.nanmedian(scored.ceiling.r)) if scored.ceiling is not None else None
    loss = about.get("estimated_loss")
    return (
        name,
        len(r),
        *(float(number) for number in (*numbers, np.nanmedian(scored.cv))),
        ceiling,
        *ends,
        str(about.get("solver", "")),
        "" if loss is None else f"{float(loss):.0e}",
    )


def _histogram(results: Results, dataset: str, subject: str, fits: Mapping[str, Fit]) -> Block:
    rs = {name: fit.scored.scores.r for name, fit in fits.items()}
    drawing = figures.histogram(rs, "test r", "voxels")
    table = pd.DataFrame({name: np.round(r, 5) for name, r in rs.items()})
    caption = (
        "Distribution over voxels of the correlation between predicted and measured BOLD in the "
        "test data. A model that knows nothing gives a distribution around 0."
    )
    simulated = any(fit.simulated for fit in fits.values())
    title = f"Accuracy of all models, sub-{subject}"
    name = f"{dataset}/sub-{subject}/accuracy"
    return results.figure(drawing, name, title, caption, table, simulated)


def _ceiling(results: Results, dataset: str, subject: str, model: str, fit: Fit) -> Block:
    assert fit.scored.ceiling is not None
    ceiling, r = fit.scored.ceiling.r, fit.scored.scores.r
    drawing = figures.density(ceiling, r, ("noise ceiling of r", "test r"))
    table = pd.DataFrame({"ceiling": ceiling.round(5), "r": r.round(5)})
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
    if (ceiling := fit.scored.ceiling) is None:
        return []
    explainable, halves = ceiling.explainable, ceiling.halves
    both = np.isfinite(halves) & np.isfinite(explainable)
    if not both.any():
        return []
    rows = {
        "Explainable variance of the averaged test run, mean over voxels": float(
            explainable[both].mean()
        ),
        "The same by split halves (Spearman-Brown)": float(halves[both].mean()),
        "Correlation of the two over voxels": float(
            np.corrcoef(explainable[both], halves[both])[0, 1]
        ),
        "Repeats": int(fit.scored.about["n_repeats"]),
    }
    return [facts(rows)]


def _within_run(results: Results, dataset: str) -> list[Block]:
    """Stimuli that one test run shows twice: such showings are not repeats."""
    paths = [results.path(place, dataset=dataset) for place in ("inventory", "splits")]
    if not all(path.is_file() for path in paths):
        return []
    inventory, splits = read_inventory(paths[0]), read_splits(paths[1])
    results.read(inventory.path, inventory.provenance)
    results.read(splits.path, splits.provenance)
    table = inventory.table
    tests = set(splits.table.loc[splits.table["split"] != "train", "run"])
    tested = table[table["run"].isin(tests) & (table["kind"] != "label")]
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
