"""The simulator's own signals: what an oracle would know of simulated BOLD."""

from collections.abc import Iterator
from pathlib import Path

from tristream.config.base import Section
from tristream.errors import UserError
from tristream.features.core.registry import Block, extractor
from tristream.store import open_h5


@extractor("ground_truth", media="truth", layers=("ventral", "dorsal", "auditory"))
def ground_truth(
    path: Path, layers: tuple[str, ...], options: Section
) -> Iterator[tuple[str, dict[str, Block]]]:
    """Latent signals that drive simulated voxels, after their nonlinear readout."""
    with open_h5(path, "truth") as (file, _):
        missing = [layer for layer in layers if f"latents/{layer}" not in file]
        if missing:
            raise UserError(
                f"{path}: has no latents of {', '.join(missing)}; the preset simulates "
                f"{', '.join(file.get('latents', {})) or 'none'}: mend features or the preset"
            )
        stimuli = sorted({name for layer in layers for name in file[f"latents/{layer}"]})
        for stimulus in stimuli:
            yield (
                stimulus,
                {
                    layer: Block(group["values"][()], group["times"][()])
                    for layer in layers
                    if (group := file[f"latents/{layer}"].get(stimulus)) is not None
                },
            )
