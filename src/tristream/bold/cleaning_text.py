"""What cleaning did to a run, in sentences for a methods section.

The sentences follow from what was read and projected out, never from the configuration: a column
that the confounds lack is not named.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tristream.phrases import listed
from tristream.space.meshes import FSAVERAGE5_VERTICES, FSLR_VERTICES

if TYPE_CHECKING:
    from tristream.bold.cleaned import Confounds, Reading

# Names of fMRIPrep's numbered columns, and what such columns are together; `{cutoff}` is the
# filter's period.
NUMBERED = {
    "cosine": "cosines of a high-pass filter{cutoff}",
    "a_comp_cor_": "components of white matter and cerebrospinal fluid (aCompCor) [@behzadi2007]",
}


def cleaning_methods(reading: "Reading", percent: bool) -> tuple[str, ...]:
    """The sentences of one run.

    Parameters
    ----------
    reading : Reading
        What was cleaned.
    percent : bool
        Whether the result is in percent of the mean signal instead of z-scores.
    """
    return (
        *_places(reading),
        *_trims(reading),
        _projected(reading.confounds),
        *_censored(reading.confounds),
        _scaled(percent),
    )


def _places(reading: "Reading") -> list[str]:
    """What a voxel is, where the BOLD lies on surfaces."""
    places = reading.columns.grayordinates
    if places is None:
        return []
    if places.on_mesh.all() and set(places.vertices) == {FSAVERAGE5_VERTICES}:
        return [
            "What is called a voxel is a vertex of fsaverage5 [@fischl1999]; the medial wall was "
            "left out."
        ]
    below = " or a voxel below the cortex [@glasser2013]" if not places.on_mesh.all() else ""
    mesh = "the fsLR meshes [@vanessen2012]" if FSLR_VERTICES in places.vertices else "a mesh"
    return [f"What is called a voxel is a grayordinate: a vertex of {mesh}{below}."]


def _trims(reading: "Reading") -> list[str]:
    ends = {"first": reading.volumes.start, "last": reading.acquired - reading.volumes.stop}
    parts = [f"the {end} {number}" for end, number in ends.items() if number]
    return [f"Of each run {listed(parts)} volumes were left out."] if parts else []


def _projected(confounds: "Confounds") -> str:
    if not confounds.names:
        return "The mean and a linear trend were projected out of each run; no confounds were."
    named = ", ".join(confound_words(confounds.names, confounds.cutoff))
    return (
        f"The mean, a linear trend and confounds ({named}) were projected out of each run, as one "
        "orthogonal projection."
    )


def confound_words(names: Sequence[str], cutoff: float | None = None) -> list[str]:
    """Columns by their names; numbered ones, of which each run has its own count, together."""
    words: dict[str, None] = {}
    for name in sorted(names, key=lambda name: name.startswith(tuple(NUMBERED))):
        start = next((start for start in NUMBERED if name.startswith(start)), "")
        period = f" of {cutoff:g} s" if cutoff else ""
        words[NUMBERED[start].format(cutoff=period) if start else name] = None
    return list(words)


def _censored(confounds: "Confounds") -> list[str]:
    """Why some volumes carry no data."""
    scrubbed = confounds.censor & ~confounds.unsteady
    why = ["volumes before the steady state"] * bool((confounds.censor & confounds.unsteady).any())
    why += ["volumes that the scrubbing of nilearn [@nilearn] takes for motion"] * bool(
        scrubbed.any()
    )
    if not why:
        return []
    return [f"Censored were {listed(why)}: each got a regressor of its own."]


def _scaled(percent: bool) -> str:
    if percent:
        return "What was left is in percent of each voxel's mean signal in its run."
    return (
        "Each voxel was z-scored within each run by that run's own mean and variance; neither "
        "labels nor other runs took part."
    )
