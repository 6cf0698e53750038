"""Fit the nested models of one subject and write how their bands share the test variance."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tristream.config.inference import Inference
from tristream.config.models import EncodingModel
from tristream.encode.encoding_file import Encoding, read_encoding
from tristream.encode.fit import choose_device, fit_encoding
from tristream.encode.fit_inputs import Inputs, read_inputs
from tristream.encode.partition.variance import MOST_BANDS, NestedRun, partition, set_names
from tristream.errors import UserError
from tristream.space import grayordinates
from tristream.store import Omission, Provenance, create_h5, write_strings

KIND = "partition"
NUISANCE = "nuisance"
PREDICTED_R = 0.2


def partition_subject(
    model: EncodingModel,
    wanted: Sequence[str],
    settings: Inference,
    encoding: Path,
    aligned: Sequence[Path],
    bold: Sequence[Path],
    samples: Path,
    output: Path,
    device: str = "auto",
    code: str = "",
) -> None:
    """Fit one model without each combination of bands, and write its `partition` file.

    Parameters
    ----------
    model : EncodingModel
        As configured.
    wanted : sequence of str
        Bands to tell apart; empty for all but nuisance bands. The others stay in every model.
    settings : Inference
        Resamples and seed of the bootstrap.
    encoding : Path
        The model fitted with all bands, whose predictions are used as they are.
    aligned, bold, samples
        What the model was fitted to, see :func:`tristream.encode.fit.fit_subject`.
    output : Path
        The file to write.
    device : {'auto', 'cpu', 'cuda'}
        Where to compute.
    code : str
        Fingerprint for the provenance.

    Raises
    ------
    UserError
        If a band is unknown, or there are more than four; if inputs do not fit together.
    """
    full, said = read_encoding(encoding)
    chosen = chosen_bands(full, wanted)
    inputs = read_inputs(model, aligned, bold, samples)
    runs = nested_runs(inputs, full, chosen, model, choose_device(device))
    groups = {
        "all voxels": np.ones(len(full.ijk), bool),
        f"voxels with r > {PREDICTED_R}": full.scores.r > PREDICTED_R,
    }
    found = partition(runs, groups, settings.bootstrap, settings.seed)
    config = {"model": model.model_dump(mode="json"), "bootstrap": settings.bootstrap}
    omitted: tuple[Omission, ...] = ()
    if np.isnan(found.parts.low).all():
        why = f"{found.blocks} blocks of test data are too few to resample"
        omitted = (Omission("intervals of unique and shared variance", why),)
    provenance = Provenance(KIND, said.simulated, config, code, omitted)
    with create_h5(output, provenance) as file:
        file.attrs["seed"] = settings.seed
        file.attrs["bootstrap"] = settings.bootstrap
        file.attrs["blocks"] = found.blocks
        rest = [band for band in full.bands if band not in chosen]
        for key, values in (("bands", chosen), ("rest", rest), ("groups", list(groups))):
            write_strings(file, key, values)
        write_strings(file, "sets", set_names(chosen))
        file["ijk"] = full.ijk
        grayordinates.write(file, full.grayordinates)
        file["r2"] = found.r2.astype(np.float32)
        for name, interval in (("parts", found.parts), ("means", found.means)):
            for key in ("value", "se", "low", "high"):
                file[f"{name}/{key}"] = getattr(interval, key).astype(np.float32)


def chosen_bands(encoding: Encoding, wanted: Sequence[str]) -> list[str]:
    """The bands to tell apart, in the model's order.

    Raises
    ------
    UserError
        If one is unknown, if there are more than four, or none.
    """
    name, streams = encoding.about["model"], encoding.about["streams"]
    unknown = [band for band in wanted if band not in encoding.bands]
    if unknown:
        raise UserError(
            f"inference.partition.{name}: no band {unknown[0]!r} among {', '.join(encoding.bands)}"
        )
    named = wanted or [band for band in encoding.bands if set(streams[band]) != {NUISANCE}]
    chosen = [band for band in encoding.bands if band in named]
    if not 1 <= len(chosen) <= MOST_BANDS:
        raise UserError(
            f"inference.partition.{name}: {len(chosen)} bands ({', '.join(chosen)}); name one to "
            f"{MOST_BANDS}, the others stay in every model"
        )
    return chosen


def nested_runs(
    inputs: Inputs, full: Encoding, chosen: Sequence[str], model: EncodingModel, device: str
) -> list[NestedRun]:
    """Test predictions of the model under every subset of the chosen bands.

    The other bands stay in. Without any band nothing is predicted.
    """
    predictions = {
        name: np.zeros((2 ** len(chosen), *test.y.shape), np.float32)
        for name, test in full.tests.items()
    }
    last = 2 ** len(chosen) - 1
    subsets = range(last)
    for subset in tqdm(subsets, desc="nested models", mininterval=5, file=sys.stderr):
        dropped = {band for place, band in enumerate(chosen) if not subset >> place & 1}
        bands = [band for band in full.bands if band not in dropped]
        if bands:
            fitted, _ = fit_encoding(_without(inputs, dropped), _model(model, bands), device)
            for name, test in fitted.tests.items():
                predictions[name][subset] = test.prediction
    for name, test in full.tests.items():
        predictions[name][last] = test.prediction
    return [NestedRun(t.y, predictions[name], t.unit) for name, t in full.tests.items()]


def _without(inputs: Inputs, dropped: set[str]) -> Inputs:
    layout = {band: spaces for band, spaces in inputs.layout.items() if band not in dropped}
    used = {label for spaces in layout.values() for layers in spaces for label in layers}
    return replace(
        inputs,
        layout=layout,
        files={label: path for label, path in inputs.files.items() if label in used},
        streams={band: inputs.streams[band] for band in layout},
    )


def _model(model: EncodingModel, bands: Sequence[str]) -> EncodingModel:
    kernels = {band: kind for band, kind in model.kernels.items() if band in bands}
    return model.model_copy(
        update={"bands": {band: model.bands[band] for band in bands}, "kernels": kernels}
    )
