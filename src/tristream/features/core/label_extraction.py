"""Features of the labels of an experiment."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tristream.config.settings.features import FeatureSettings
from tristream.errors import UserError
from tristream.features.core.checked_space import check_layers, of_settings
from tristream.features.core.layer_output import Job
from tristream.stimuli.tables import read_inventory


def extract_labels(
    settings: FeatureSettings, outputs: Sequence[Path], inventory: Path | None, code: str
) -> None:
    """Write one row for each label of the inventory.

    Raises
    ------
    UserError
        If a layer is unknown, or there are no labels.
    """
    job = Job(settings, of_settings(settings), outputs, code)
    check_layers(settings.space, job.space, job.layers, None)
    path = job.needed(inventory, "--inventory")
    listed = read_inventory(path)
    table = listed.table
    items = sorted(set(table.loc[table["kind"] == "label", "item"].dropna().astype(str)))
    if not items:
        raise UserError(
            f"{path}: all events are stimuli, none is a label alone; {job.extractor.name} has "
            "nothing to describe (labels of stimuli are read by `decoders`)"
        )
    found = job.extractor.function(items, job.layers, job.space.options)
    for output in outputs:
        layer = output.stem
        values = np.asarray(found[layer].values, np.float32)
        width = values.shape[1]
        names = job.names(layer, width, {layer: found[layer].names})
        methods = job.methods(layer, width)
        with job.create(output, "item", listed.provenance.simulated, methods) as file:
            file.items(items, iter([values]))
            file.names(names)
