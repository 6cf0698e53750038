"""The simulator's own signals: what an oracle would know of simulated BOLD."""

from collections.abc import Iterator
from pathlib import Path

from tristream.config.base import Section
from tristream.errors import UserError
from tristream.features.core.registry import Block, extractor
from tristream.simulate.truth_file import read_truth


@extractor(
    "ground_truth",
    media="truth",
    layers=("ventral", "dorsal", "auditory"),
    methods=(
        "latent signals that the simulation drove its voxels by; a real study has no such features"
    ),
    stream="truth",
)
def ground_truth(
    path: Path, layers: tuple[str, ...], options: Section
) -> Iterator[tuple[str, dict[str, Block]]]:
    """Latent signals that drive simulated voxels, after their nonlinear readout."""
    truth = read_truth(path)
    missing = [layer for layer in layers if layer not in truth.streams]
    if missing:
        raise UserError(
            f"{path}: has no latents of {', '.join(missing)}; the preset simulates "
            f"{', '.join(truth.streams) or 'none'}: fix features or the preset"
        )
    latents = {layer: truth.latents(layer) for layer in layers}
    for stimulus in sorted({name for of_stream in latents.values() for name in of_stream}):
        yield (
            stimulus,
            {
                layer: Block(*of_stream[stimulus])
                for layer, of_stream in latents.items()
                if stimulus in of_stream
            },
        )
