"""Which item was seen: that for which an encoding model predicts the response that was measured.

Kay et al. (2008, Nature 452:352). Predictions and data are those that the model stored of its test
runs, so that nothing is fitted here; items that the model was fitted to are not identified.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from tristream.align.samples import read_samples
from tristream.bold.run_file import Run, read_run
from tristream.config.settings.identification import IdentificationSettings
from tristream.decode.feature_decoder import average_showings
from tristream.decode.identification import WAYS, identify, profile_correlation
from tristream.decode.identification_file import KIND, write_identification
from tristream.decode.identification_fit import Cell, Outcome, tables
from tristream.decode.identification_methods import null_of
from tristream.decode.item_decoding import Decoded
from tristream.decode.item_exchange import item_exchange
from tristream.decode.run_rows import volumes_later
from tristream.decode.shown_units import ALL, ShownFeatures
from tristream.decode.spurious_decoding import SpuriousAudit, WithoutBrain, dimensions
from tristream.encode.encoding_file import Encoding, HeldOut, read_encoding
from tristream.errors import UserError
from tristream.phrases import counted
from tristream.store import Omission, Provenance

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Presentations:
    """What test runs showed that the model was not fitted to.

    Attributes
    ----------
    measured, predicted : ndarray of shape (presentations, voxels)
        Means over the volumes of each.
    item, test : list of str
        What each shows, and the test run or group of repeats.
    showings : list of int
        Runs that were averaged.
    in_turn : bool
        Whether runs were left out in turn, so that the model of one was fitted to the others.
    training : int
        Presentations that the model was fitted to (the most, of several fits).
    left_out : int
        Presentations of items that the model was fitted to.
    shared_labels : float
        Share of items whose label the model was fitted to; NaN where labels tell no more than
        items.
    """

    measured: Floats
    predicted: Floats
    item: list[str]
    test: list[str]
    showings: list[int]
    in_turn: bool
    training: int
    left_out: int
    shared_labels: float


def identify_by_encoder(
    encoding: Path,
    bold: Path,
    samples: Path,
    output: Path,
    sets: Path,
    settings: IdentificationSettings,
    code: str = "",
) -> Outcome:
    """Identify the items of one subject's test runs and write the tables of ``identification``.

    Parameters
    ----------
    encoding : Path
        File of kind ``encoding``.
    bold : Path
        A run file of the subject, for the regions.
    samples : Path
        The sample index.
    output, sets : Path
        Tables to write.
    settings : IdentificationSettings
    code : str
        Fingerprint for the provenance.

    Raises
    ------
    UserError
        If files don't fit each other, a region is unknown or holds no data, or fewer than two
        items of test runs were not trained.
    """
    design = settings.block
    fitted, about = read_encoding(encoding, whole=False)
    run = read_run(bold, signal=False)
    if not np.array_equal(run.ijk, fitted.ijk):
        raise UserError(f"{encoding}: has other voxels than {bold}; run `encode fit` again")
    later = volumes_later(design.delay, run)
    shown = _presentations(fitted, _named(samples, settings.unit), later, samples, run)
    if len(set(shown.item)) < 2:
        why = f"{counted(len(set(shown.item)), 'item')} of its test runs"
        left = f" ({shown.left_out} presentations show items that it was fitted to)"
        raise UserError(
            f"{encoding}: identification {settings.identification}: {why} can be identified"
            f"{left if shown.left_out else ''}; two are needed, so hold out runs that show others"
        )
    if shown.in_turn and (lone := _alone(shown)):
        raise UserError(
            f"{encoding}: identification {settings.identification}: one item of {lone} can be "
            "identified, among the items of its run, as runs were left out in turn; hold out runs "
            "for good"
        )
    out = Outcome(left_out=shown.left_out)
    for region, voxels in _regions(shown, run, design.regions, bold).items():
        out.cells.append(_cell(shown, region, voxels, settings))
    omitted = []
    if refusal := out.cells[0].found.pairwise.refusal:
        omitted.append(Omission("p of identification (seen)", refusal))
    if shown.left_out:
        why = "they show items that the model was fitted to"
        omitted.append(Omission(f"{shown.left_out} presentations of test runs", why))
    provenance = Provenance(
        KIND,
        about.simulated,
        settings.key(),
        code,
        tuple(omitted),
        _methods(settings, shown, out, run.trials is not None, later * run.tr),
    )
    write_identification(output, sets, *tables(out), provenance)
    return out


def _named(samples: Path, unit: str) -> pd.DataFrame:
    """The sample index, where time blocks are items by their number in what repeats."""
    table, _ = read_samples(samples)
    if unit == "time":
        where = table["repeat"].where(table["repeat"] != "", table["run"])
        number = table["unit"].str.rsplit("/", n=1).str[-1]
        table["item"] = (where + "/" + number).where(table["unit"] != "", "")
    return table


def _presentations(
    fitted: Encoding, table: pd.DataFrame, later: int, samples: Path, run: Run
) -> Presentations:
    """Measured and predicted response to each presentation of an item that was not trained."""
    measured, predicted, showings = [], [], []
    item: list[str] = []
    label: list[str] = []
    tests: list[str] = []
    training, left_out, in_turn, known_labels = 0, 0, False, set()
    for test, held in fitted.tests.items():
        trained = _trained(fitted, table, held)
        training = max(training, trained["unit"].nunique())
        in_turn |= not set(held.runs).isdisjoint(fitted.fitted.runs)
        known = set(trained["item"])
        known_labels |= set(trained["label"])
        for rows, name, own_label in _shown(table, held, later, samples):
            if name in known:
                left_out += 1
                continue
            measured.append(held.y[rows].mean(0))
            predicted.append(held.prediction[rows].mean(0))
            showings.append(len(held.runs))
            item.append(name)
            label.append(own_label)
            tests.append(test)
    labels = dict(zip(item, label, strict=True))
    tells = any(own not in ("", name) for name, own in labels.items())
    shared = [own in known_labels for own in labels.values()]
    return Presentations(
        measured=np.array(measured, np.float64),
        predicted=np.array(predicted, np.float64),
        item=item,
        test=tests,
        showings=showings,
        in_turn=in_turn,
        training=training,
        left_out=left_out,
        shared_labels=float(np.mean(shared)) if tells else float("nan"),
    )


def _alone(shown: Presentations) -> str:
    """The first test run of which one item is left, which then has no wrong candidate."""
    items = pd.Series(shown.item).groupby(shown.test).nunique()
    return str(items.idxmin()) if items.min() < 2 else ""


def _trained(fitted: Encoding, table: pd.DataFrame, held: HeldOut) -> pd.DataFrame:
    """Samples that the model which predicts a test run was fitted to."""
    runs = [run for run in fitted.fitted.runs if run not in held.runs]
    return table[table["run"].isin(runs) & table["keep"] & (table["item"] != "")]


def _shown(
    table: pd.DataFrame, held: HeldOut, later: int, samples: Path
) -> Iterator[tuple[npt.NDArray[np.intp], str, str]]:
    """Rows of a test run that answer each presentation, what it shows, and its label."""
    part = table[table["run"] == held.runs[0]].sort_values("row").reset_index(drop=True)
    if not len(part) or held.rows.max() >= len(part):
        raise UserError(
            f"{samples}: has {len(part)} rows of {held.runs[0]}, which the model was tested on; "
            "run `encode fit` again"
        )
    moved = part[["item", "label", "unit"]].shift(later).fillna("").iloc[held.rows]
    moved = moved.reset_index(drop=True)
    moved = moved[(moved["unit"] != "") & (moved["item"] != "")]
    for _, own in moved.groupby("unit", sort=False):
        yield own.index.to_numpy(), str(own["item"].iloc[0]), str(own["label"].iloc[0])


def _regions(
    shown: Presentations, run: Run, wanted: list[str], bold: Path
) -> dict[str, npt.NDArray[np.integer]]:
    """Voxels of each region that are finite, and that vary in data and predictions."""
    unknown = [name for name in wanted if name not in run.regions]
    if unknown:
        known = ", ".join(run.regions) or "none"
        raise UserError(f"{bold}: has no region {unknown[0]!r} (it has {known}); correct `regions`")
    good = np.ones(len(run.ijk), bool)
    for values in (shown.measured, shown.predicted):
        good &= np.isfinite(values).all(0) & (values != values[0]).any(0)
    found: dict[str, npt.NDArray[np.integer]] = {}
    for name in wanted or [ALL]:
        own = run.regions[name] if wanted else np.arange(len(good))
        found[name] = own[good[own]]
        if len(found[name]) < 2:
            raise UserError(
                f"{bold}: region {name!r} has {counted(len(found[name]), 'voxel')} whose data and "
                "predictions vary; a pattern needs two, so correct `regions`"
            )
    return found


def _cell(
    shown: Presentations,
    region: str,
    voxels: npt.NDArray[np.integer],
    settings: IdentificationSettings,
) -> Cell:
    """Tests of one region."""
    design = settings.block
    measured, items = average_showings(shown.measured[:, voxels], shown.item)
    predicted, _ = average_showings(shown.predicted[:, voxels], shown.item)
    number = np.searchsorted(items, shown.item)
    often = np.array(shown.showings)
    test = np.array(shown.test)
    exchange = item_exchange(
        [np.repeat(number[test == one], often[test == one]) for one in dict.fromkeys(shown.test)]
    )
    null = (exchange, design.permutations, design.seed, shown.in_turn)
    among = None
    if shown.in_turn:
        # No item is in two of these runs: the models of both would have been fitted to it.
        own = test[np.unique(number, return_index=True)[1]]
        among = own[:, None] == own
    found = identify(measured, predicted, None, WAYS, *null, among)
    same = np.broadcast_to(measured.mean(0), measured.shape)
    ignorant = identify(same, predicted, ways=(), permutations=0, among=among)
    nothing = WithoutBrain(float("nan"), float("nan"))
    return Cell(
        kind="seen",
        layer=ShownFeatures("model", str(design.model), predicted, np.array(items)),
        region=region,
        decoder="encoder",
        voxels=len(voxels),
        training=shown.training,
        decoded=Decoded(items, measured, np.bincount(number, weights=often).astype(int)),
        profile=profile_correlation(measured, predicted, *null)[1],
        found=found,
        back=identify(predicted, measured, None, (), *null, among),
        checked=SpuriousAudit(
            shared_categories=shown.shared_labels,
            dimensions_predicted=dimensions(predicted),
            # Those of measured responses are of their noise.
            dimensions_true=float("nan"),
            items=len(items),
            mean=WithoutBrain(ignorant.pairwise.value, ignorant.ways[ignorant.candidates].value),
            drawn=nothing,
            category=None,
        ),
    )


def _methods(
    settings: IdentificationSettings,
    shown: Presentations,
    out: Outcome,
    trials: bool,
    delay: float,
) -> tuple[str, ...]:
    design, first = settings.block, out.cells[0]
    where = f" of {', '.join(design.regions)}" if design.regions else ""
    rows = "trials" if trials else "volumes"
    later = f", taken {delay:g} s later" if delay else ""
    unit = "time block" if settings.unit == "time" else "presentation"
    few, many = int(first.decoded.showings.min()), int(first.decoded.showings.max())
    often = counted(many, "showing") if few == many else f"{few} to {many} showings"
    sentences = [
        f"Identification {settings.identification}: the response to each item of the test runs "
        f"(the mean of the {rows} of a {unit}{later}, over {often}) was correlated, over "
        f"voxels{where}, with the responses that encoding model {design.model} predicts for "
        f"{'all items of its run' if shown.in_turn else 'all of them'}, and the item with the "
        "largest correlation taken [@kay2008]; pairwise identification is the share of wrong items "
        "that correlated less. The other way, the response that belongs to a prediction was found "
        "among those to the same items."
    ]
    if shown.left_out:
        sentences.append(
            f"{shown.left_out} presentations of items that the model was fitted to were left out."
        )
    sentences.append(null_of(first.found, design, "regions"))
    return tuple(sentences)
