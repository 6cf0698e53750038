"""How single trials are estimated from the BOLD of a run."""

from typing import Literal

from pydantic import Field

from tristream.config.base import Seconds, Section


class Trials(Section):
    """One row a trial instead of one row a volume.

    ``mean``: the volumes of a window after the onset, averaged (Horikawa & Kamitani 2017).
    ``lsa``: one regressor a trial, all in one model. ``lss``: a model of its own for each trial, in
    which the others share a regressor (Mumford et al. 2012). ``glmsingle``: for rapid designs; each
    voxel's haemodynamic response from a library, components of a noise pool, and ridge, chosen on
    training runs by items that come back (Prince et al. 2022). ``given``: layout `betas` has them.
    """

    estimate: Literal["mean", "lsa", "lss", "glmsingle", "given"] = Field(
        description="how a trial's response is found"
    )
    shift: Seconds = Field(
        default=3.0, ge=0, description="seconds from onset to window, for the response's lag (mean)"
    )
    window: Seconds | None = Field(
        default=None,
        gt=0,
        description="seconds of the window (mean); default: the trial's own",
    )
    hrf: Literal["spm", "glover"] = Field(
        default="spm", description="nilearn's response function (lsa, lss)"
    )
    noise_components: int = Field(
        default=10,
        ge=0,
        description="components of the noise pool that are tried at most (glmsingle)",
    )
    scale: Literal["run", "training"] = Field(
        default="training",
        description="run: z-scored over the run's own trials, where these are many; training: left "
        "in percent of the voxel's mean (given: as they are), for decoders to scale by training "
        "trials",
    )
    average_repeats: Literal["never", "run", "split"] = Field(
        default="never",
        description="one row an item: averaged within each run, or over all training runs and over "
        "all test runs (split; never over both)",
    )
