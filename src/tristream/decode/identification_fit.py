"""Every layer decoded from every region, and items identified by what was decoded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tristream.align.exchange import Exchange
from tristream.config.identification import IdentificationDesign
from tristream.config.settings.identification import IdentificationSettings
from tristream.decode.decoded_places import gates_of, places_of
from tristream.decode.feature_decoder import average_showings
from tristream.decode.identification import WAYS, Identification, identify, profile_correlation
from tristream.decode.identification_file import KIND, gate_of, write_identification
from tristream.decode.identification_methods import Done, methods_of
from tristream.decode.item_decoding import (
    Bools,
    Decoded,
    Fits,
    Floats,
    Fold,
    decode_items,
    decoder_of,
    folds_of,
    of_kind,
    rows_of,
    ways_of,
)
from tristream.decode.item_exchange import Matched, item_exchange, p_value
from tristream.decode.pattern_reliability import Reliability
from tristream.decode.shown_units import ShownFeatures, ShownUnits, read_targets, read_units
from tristream.decode.spurious_decoding import SpuriousAudit, audit
from tristream.decode.unit_ridge import moments
from tristream.errors import UserError
from tristream.store import Omission, Provenance


@dataclass(frozen=True)
class Cell:
    """One layer decoded from one region in one way, one set of items."""

    kind: str
    layer: ShownFeatures
    region: str
    decoder: str
    voxels: int
    training: int
    decoded: Decoded
    profile: Matched
    found: Identification
    back: Identification
    checked: SpuriousAudit


@dataclass
class Outcome:
    """All cells of a subject, what is told of fits, reliability of imagined patterns by place."""

    cells: list[Cell] = field(default_factory=list)
    fits: Fits = field(default_factory=Fits)
    gates: dict[str, Reliability | str] = field(default_factory=dict)
    left_out: int = 0


def identify_subject(
    units: ShownUnits,
    layers: Sequence[ShownFeatures],
    design: IdentificationDesign,
    device: str = "auto",
) -> Outcome:
    """Decode and identify.

    Presentations of an item that is tested are not used for training: they would be recognised.

    Parameters
    ----------
    units : ShownUnits
    layers : sequence of ShownFeatures
    design : IdentificationDesign
    device : str
        Where torch computes.

    Raises
    ------
    ValueError
        If nothing is left to train on, or to test.
    """
    out = Outcome()
    split, run = np.array(units.split), np.array(units.run)
    places = places_of(units, design)
    if "imagined" in split:
        out.gates = gates_of(places, units, split, design)
    for layer in layers:
        if layer.values.shape[1] < 2:
            name = f"{layer.space}/{layer.layer}"
            raise ValueError(f"{name} has one unit, and a pattern needs two; take out the layer")
        folds = list(folds_of(split, run, layer.names))
        out.left_out = max(out.left_out, sum(lost for _, _, lost in folds))
        rows = rows_of(layer.names, split, run, design.candidates)
        for place in places:
            x = units.x[:, place.voxels]
            for name in ways_of(place, design):
                make = partial(decoder_of, name, place, design, device)
                decoded = decode_items(x, layer.values, rows, folds, split, run, make, out.fits)
                for kind, one in decoded.items():
                    cell = _cell(kind, one, layer, rows, folds, split, run, units, design)
                    out.cells.append(Cell(kind, layer, place.name, name, len(place.voxels), *cell))
    return out


def _cell(
    kind: str,
    decoded: Decoded,
    layer: ShownFeatures,
    rows: npt.NDArray[Any],
    folds: Sequence[Fold],
    split: npt.NDArray[Any],
    run: npt.NDArray[Any],
    units: ShownUnits,
    design: IdentificationDesign,
) -> tuple[int, Decoded, Matched, Identification, Identification, SpuriousAudit]:
    """Tests of one set of items."""
    own = of_kind(kind, split)
    used = split == "each" if "each" in split else folds[0][0]
    mean, scale = moments(layer.values[used])
    true = (average_showings(layer.values[own], rows[own].tolist())[0] - mean) / scale
    training, trained = average_showings(layer.values[used], layer.names[used].tolist())
    training = (training - mean) / scale
    predicted = (decoded.predicted - mean) / scale
    name_of = dict(zip(rows[own].tolist(), layer.names[own].tolist(), strict=True))
    names = [name_of[item] for item in decoded.items]
    shown_in = _incidence(decoded.items, rows[own], run[own], run)
    others = None if layer.others is None else (layer.others - mean) / scale
    if design.candidates == "trained":
        others = training[~np.isin(trained, names)]
    in_turn = kind == "seen" and "each" in split
    among = _same_run(shown_in, others) if in_turn and design.candidates != "trained" else None
    exchange = _exchange(rows[own], run[own], decoded.items)
    null = (exchange, design.permutations, design.seed, in_turn)
    _, profile = profile_correlation(predicted, true, *null)
    found = identify(predicted, true, others, WAYS, *null, among)
    back_among = None if among is None else among[:, : len(true)]
    back = identify(true, predicted, None, (), *null, back_among)
    label = dict(zip(layer.names.tolist(), units.label, strict=True))
    # Labels that are the names of the items tell no category.
    known = any(label[name] not in ("", name) for name in trained)
    checked = audit(
        predicted,
        true,
        training,
        others,
        [label[name] for name in names] if known else None,
        [label[name] for name in trained] if known else None,
        _known_to(shown_in, trained, layer.names, run),
        design.seed,
        among,
    )
    most = max(int(train.sum()) for train, _, _ in folds)
    return most, decoded, profile, found, back, checked


def _incidence(
    items: Sequence[str], shown: npt.NDArray[Any], run: npt.NDArray[Any], every: npt.NDArray[Any]
) -> Floats:
    """1 where a run (columns; of all) shows an item (rows, sorted), else 0."""
    runs = np.unique(every)
    found = np.zeros((len(items), len(runs)))
    found[np.searchsorted(items, shown), np.searchsorted(runs, run)] = 1
    return found


def _known_to(
    shown_in: Floats, trained: Sequence[str], names: npt.NDArray[Any], run: npt.NDArray[Any]
) -> Bools:
    """Training items that a decoder of each item was fitted to: not those that its runs show."""
    again = np.isin(names, trained)
    trained_in = _incidence(trained, names[again], run[again], run)
    return shown_in @ trained_in.T < shown_in.sum(1, keepdims=True)


def _same_run(shown_in: Floats, others: Floats | None) -> Bools:
    """Candidates of each item: those of its run, and others."""
    among = shown_in @ shown_in.T > 0
    if others is not None:
        among = np.hstack([among, np.ones((len(among), len(others)), bool)])
    if among.sum(1).min() < 2:
        raise ValueError(
            "a run shows one item, and of runs that are left out in turn an item is identified "
            "among those of its run: hold runs out for good, or take `candidates: trained`"
        )
    return among


def _exchange(names: npt.NDArray[Any], run: npt.NDArray[Any], items: Sequence[str]) -> Exchange:
    number = np.searchsorted(items, names)
    return item_exchange([number[run == one] for one in dict.fromkeys(run.tolist())])


def corrected(cells: Sequence[Cell]) -> list[float]:
    """p of each pairwise figure against the largest of its set in each permutation.

    The same rearrangement goes through all layers and regions.
    """
    groups: dict[tuple[str, ...], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.kind, *cell.decoded.items), []).append(cell)
    out = []
    for cell in cells:
        own = groups[(cell.kind, *cell.decoded.items)]
        if cell.found.pairwise.p is None:
            out.append(float("nan"))
            continue
        tested = [one.found.pairwise.null for one in own if one.found.pairwise.p is not None]
        largest = np.max(tested, axis=0)
        out.append(p_value(cell.found.pairwise.value, largest))
    return out


def tables(outcome: Outcome) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of the two tables of :mod:`tristream.decode.identification_file`."""
    rows, growing = [], []
    for cell, p in zip(outcome.cells, corrected(outcome.cells), strict=True):
        key = {
            "set": cell.kind,
            "space": cell.layer.space,
            "layer": cell.layer.layer,
            "region": cell.region,
            "decoder": cell.decoder,
        }
        found = cell.found
        rows.append(
            {
                **key,
                "units": cell.layer.values.shape[1],
                "voxels": cell.voxels,
                "items": len(cell.decoded.items),
                "showings": int(cell.decoded.showings.sum()),
                "training": cell.training,
                "candidates": found.candidates,
                **_numbers("profile", cell.profile),
                **_numbers("pairwise", found.pairwise),
                "pairwise_p_corrected": p,
                **_numbers("best", found.ways[found.candidates]),
                **_numbers("top5", found.top5),
                **_numbers("response", cell.back.pairwise),
                **_numbers("first_response", cell.back.ways[cell.back.candidates]),
                **_audited(cell.checked),
                **_gated(outcome.gates.get(cell.region) if cell.kind == "imagined" else None),
            }
        )
        growing += [{**key, "n": n, **_numbers("best", one)} for n, one in found.ways.items()]
    return pd.DataFrame(rows), pd.DataFrame(growing)


def _numbers(name: str, one: Matched) -> dict[str, float]:
    values = {"": one.value, "_chance": one.chance, "_low": one.low, "_high": one.high}
    p = float("nan") if one.p is None else one.p
    return {f"{name}{key}": value for key, value in {**values, "_p": p}.items()}


def _audited(checked: SpuriousAudit) -> dict[str, float]:
    category = checked.category
    return {
        "shared_categories": checked.shared_categories,
        "dimensions_predicted": checked.dimensions_predicted,
        "dimensions_true": checked.dimensions_true,
        "mean_pairwise": checked.mean.pairwise,
        "drawn_pairwise": checked.drawn.pairwise,
        "drawn_low": checked.drawn.low,
        "drawn_high": checked.drawn.high,
        "category_pairwise": float("nan") if category is None else category.pairwise,
    }


def _gated(gate: Reliability | str | None) -> dict[str, Any]:
    if gate is None or isinstance(gate, str):
        nothing = dict.fromkeys(("reliability", "reliability_threshold", "reliability_p"), np.nan)
        return {**nothing, "reliable": None if gate is None else "no"}
    return {
        "reliability": gate.value,
        "reliability_threshold": gate.threshold,
        "reliability_p": np.nan if gate.p is None else gate.p,
        "reliable": "yes" if gate.passed else "no",
    }


def fit(
    bold: Sequence[Path],
    samples: Path,
    features: Sequence[Path],
    aligned: Sequence[Path],
    candidates: Sequence[Path],
    output: Path,
    sets: Path,
    settings: IdentificationSettings,
    code: str = "",
) -> Outcome:
    """Identify the items of one subject and write the tables of kind ``identification``.

    Parameters
    ----------
    bold, samples : paths
        As for :func:`tristream.decode.shown_units.read_units`.
    features, aligned : sequence of Path
        Files of every layer, in one order.
    candidates : sequence of Path
        The user's own features, in the same order; empty if there are none.
    output, sets : Path
        Tables to write.
    settings : IdentificationSettings
    code : str
        Fingerprint for the provenance.
    """
    design = settings.block
    units = read_units(bold, samples, design.regions, design.delay, design.imagined, settings.unit)
    own: Sequence[Path | None] = candidates or [None] * len(features)
    layers = [
        read_targets(feature, moments_of, units, other)
        for feature, moments_of, other in zip(features, aligned, own, strict=True)
    ]
    try:
        outcome = identify_subject(units, layers, design, settings.device)
    except ValueError as error:
        raise UserError(f"{samples}: identification {settings.identification}: {error}") from None
    first = outcome.cells[0]
    imagined = [cell.found for cell in outcome.cells if cell.kind == "imagined"]
    done = Done(
        settings,
        units,
        first.found,
        imagined[0] if imagined else None,
        first.decoded.showings,
        outcome.left_out,
        max(layer.averaged for layer in layers),
        tuple(outcome.fits.epochs),
        tuple(outcome.fits.chosen),
        len(places_of(units, design)),
    )
    provenance = Provenance(
        KIND, units.simulated, settings.key(), code, _omitted(units, outcome), methods_of(done)
    )
    write_identification(output, sets, *tables(outcome), provenance)
    return outcome


def _omitted(units: ShownUnits, outcome: Outcome) -> tuple[Omission, ...]:
    found = list(units.omitted)
    refusals: Mapping[str, str] = {
        f"p of identification ({cell.kind})": cell.found.pairwise.refusal
        for cell in outcome.cells
        if cell.found.pairwise.refusal
    }
    found += [Omission(what, why) for what, why in refusals.items()]
    for region, gate in outcome.gates.items():
        why = gate if isinstance(gate, str) else gate.refusal
        if why:
            found.append(Omission(gate_of(region), why))
    if outcome.left_out:
        why = "they show an item that the same fit is tested on, which it would recognise"
        found.append(Omission(f"{outcome.left_out} training presentations of all fits", why))
    return tuple(found)
