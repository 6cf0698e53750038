"""How raw volumes were resampled, in sentences for a methods section."""

import numpy as np

from tristream.bold.cleaned import Reading
from tristream.phrases import listed

WORDS = {
    "normalisation": "normalisation to the template",
    "coregistration": "coregistration",
    "distortion": "the distortion field",
    "head motion": "head motion",
}


def resampling_methods(
    reading: Reading, space: str, whose: str, simulated: bool
) -> tuple[str, ...]:
    """What was sampled where, through which transforms, and what was left uncorrected.

    Parameters
    ----------
    reading : Reading
        Of a run that was resampled.
    space : str
        Where its voxels lie.
    whose : str
        A sentence: who estimated the transforms.
    simulated : bool
        Whether the BOLD is.
    """
    done = reading.resampling
    assert done is not None
    # Points pass the transforms from the target to the raw image: volumes pass them the other way.
    steps = [WORDS[step] for step in reversed(done.steps)]
    found = [
        f"{'Simulated raw' if simulated else 'Raw'} BOLD was resampled to voxels of {done.edge:g} "
        f"mm in the space {space}, within the brain voxels that the images of all runs cover: "
        f"{listed(steps)} were composed and applied in one cubic interpolation.",
        whose,
    ]
    if done.retimed:
        found.append(
            "Before, the slices of each volume were brought to the middle of its acquisition by a "
            "cubic spline in time."
        )
    lacking = [
        what
        for what, was_done in (
            ("distortion by the magnetic field", "distortion" in done.steps),
            ("the timing of slices", done.retimed),
        )
        if not was_done
    ]
    if len(lacking) == 2:
        found.append(f"Neither {lacking[0]} nor {lacking[1]} was corrected.")
    elif lacking:
        found.append(f"{lacking[0][0].upper()}{lacking[0][1:]} was not corrected.")
    return tuple(found)


def computed_confounds(reading: Reading) -> list[str]:
    """How confounds came about that no table holds."""
    found = []
    if reading.confounds.names:
        found.append(
            "Confounds were computed as fMRIPrep defines them [@esteban2019] and chosen with "
            "nilearn [@nilearn]."
        )
    if np.isfinite(reading.confounds.fd).any():
        found.append("Framewise displacement is that of Power et al. [@power2012].")
    return found
