"""How well the encoding models predict held-out BOLD."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tristream.encode.ceiling import within_run_repeats
from tristream.encode.encoding_file import ScoredVoxels, read_left_out, read_scores
from tristream.encode.jackknife import Interval
from tristream.encode.over_ceiling import Regional, over_regions
from tristream.maps.score_maps import MIN_CEILING, normalized
from tristream.report import report_figures as figures
from tristream.report.elements import Block, Heading, Missing, Section, Table, Text, facts
from tristream.report.sections.maps import figures_of, files_of
from tristream.report.study_results import Results
from tristream.stimuli.tables import read_inventory, read_splits


@dataclass(frozen=True)
class Fit:
    """What an encoding scored, also as a mean over all voxels, whether simulated, what it lacks."""

    scored: ScoredVoxels
    pooled: Regional | None
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
    left_out, r = read_left_out(path), scored.scores.r
    pooled = over_regions(r, left_out, [np.ones(len(r), bool)]) if left_out else None
    return Fit(scored, pooled, provenance.simulated, results.read(path, provenance))


def _table(fits: Mapping[str, Fit]) -> Table:
    columns = (
        "model",
        "voxels",
        "mean r",
        "median r",
        "99th percentile of r",
        "mean R²",
        "median CV R²",
        "voxels with r above 0 at 95 %",
        "median ceiling r",
        "r over ceiling",
        "alpha at the grid's lower end",
        "alpha at its upper end",
        "solver",
        "estimated loss",
    )
    caption = (
        "Scores over all voxels. r and R² are from data that were not used for fitting; CV R² and "
        "alpha are those of each voxel's best penalty and band weights. A large share of "
        "voxels at the lower end of the grid of alphas asks for a wider grid; unpredictable voxels "
        "take the upper end. The estimated loss is about the mean CV R² that the solver `skeleton` "
        "loses at most: what scoring each voxel's shortlist in full gained over interpolation, and "
        "what others seem to be better. r over ceiling is pooled over all voxels, none left out "
        "for its score or its ceiling: the root of r² (less what noise makes) over explainable "
        "variance. Brackets: 95 % intervals, for other stimuli of the kind; the count of voxels "
        "above 0 is not corrected for their number, as the tests of significance are."
    )
    return Table(caption, columns, tuple(_row(name, fit) for name, fit in fits.items()))


def _row(name: str, fit: Fit) -> tuple[object, ...]:
    scored, pooled = fit.scored, fit.pooled
    scores, about = scored.scores, scored.about
    alphas = np.asarray(about.get("alphas", [np.nan]), float)
    ends = [f"{np.isclose(scored.alpha, a).mean():.0%}" for a in (alphas.min(), alphas.max())]
    r = scores.r
    mean = _bracketed(pooled.r) if pooled else float(np.nanmean(r))
    numbers = (np.nanmedian(r), np.nanpercentile(r, 99), np.nanmean(scores.r2))
    above = None if scores.low is None else f"{float((scores.low > 0).mean()):.1%}"
    ceiling = float(np.nanmedian(scored.ceiling.r)) if scored.ceiling is not None else None
    loss = about.get("estimated_loss")
    return (
        name,
        len(r),
        mean,
        *(float(number) for number in (*numbers, np.nanmedian(scored.cv))),
        above,
        ceiling,
        _bracketed(pooled.over_ceiling) if pooled and pooled.over_ceiling else None,
        *ends,
        str(about.get("solver", "")),
        "" if loss is None else f"{float(loss):.0e}",
    )


def _bracketed(found: Interval) -> str | None:
    """``0.123 [0.101, 0.145]`` of the first region."""
    if np.isnan(found.value[0]):
        return None
    return f"{found.value[0]:.3f} [{found.low[0]:.3f}, {found.high[0]:.3f}]"


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
        "Voxels by their noise ceiling (the highest r that the noise of the test data allows) and "
        "the r that the model reaches; red: the ceiling. Ratios of the two are mapped only where "
        f"the ceiling is above {MIN_CEILING}. {_selected(fit)}"
    )
    title = f"Accuracy and noise ceiling, model {model}, sub-{subject}"
    name = f"{dataset}/sub-{subject}/ceiling_{model}"
    return results.figure(drawing, name, title, caption, table, fit.simulated)


def _selected(fit: Fit) -> str:
    """How the mapped voxels' mean ratio differs from that of all voxels."""
    assert fit.scored.ceiling is not None
    ratio = normalized(fit.scored.scores.r, fit.scored.ceiling)
    if not fit.pooled or not fit.pooled.over_ceiling or not np.isfinite(ratio).any():
        return ""
    pooled = _bracketed(fit.pooled.over_ceiling)
    if pooled is None:
        return "Over all voxels too little variance is explainable for a ratio."
    return (
        f"These voxels were picked by a ceiling that noise may have raised: their mean ratio is "
        f"{float(np.nanmean(ratio)):.2f}, that of all voxels together {pooled}."
    )


def _second_opinion(fit: Fit) -> list[Block]:
    """The ceiling's two estimates side by side."""
    if (ceiling := fit.scored.ceiling) is None:
        return []
    explainable, halves = ceiling.explainable, ceiling.halves
    both = np.isfinite(halves) & np.isfinite(explainable)
    if not both.any():
        return []
    rows: dict[str, object] = {
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
            f"Some test runs show a stimulus more than once ({listed}). Showings within a run "
            "share slow noise and are never taken for independent: ceilings come from different "
            "runs, or, where nothing is shown again in another run, from what showings of one "
            "stimulus have in common beyond those of others at the same distance in time."
        )
    ]
