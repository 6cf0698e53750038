"""Features that the simulator knows."""

from collections.abc import Sequence
from pathlib import Path

from tristream.config.settings.features import FeatureSettings
from tristream.features.core.block_checks import check_block
from tristream.features.core.checked_space import check_layers, of_settings
from tristream.features.core.layer_output import Job
from tristream.simulate.truth_file import read_truth


def extract_truth(
    settings: FeatureSettings, outputs: Sequence[Path], truth: Path | None, code: str
) -> None:
    """Write what drives simulated voxels.

    Raises
    ------
    UserError
        If a layer is unknown or was not simulated.
    """
    job = Job(settings, of_settings(settings), outputs, code)
    check_layers(settings.space, job.space, job.layers, None)
    path = job.needed(truth, "--truth")
    simulated = read_truth(path).provenance.simulated
    for output in outputs:
        layer = output.stem
        shown = {}
        for stimulus, blocks in job.extractor.function(path, (layer,), job.space.options):
            check_block(job.where, layer, blocks)
            shown[stimulus] = blocks[layer]
        width = next(iter(shown.values())).values.shape[1] if shown else 0
        methods = job.methods(layer, width, [block.times for block in shown.values()])
        with job.create(output, "timed", simulated, methods) as file:
            for stimulus, block in shown.items():
                file.stimulus(stimulus, block.times, job.window(layer), iter([block.values]))
            file.names(job.names(layer, file.width))
