"""All subjects of one contrast between conditions: for other people alone."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import stats

from tristream.config.settings.inference import GroupSettings
from tristream.contrast.contrast_file import ContrastMap, read_contrast
from tristream.errors import UserError
from tristream.inference.group import Shared, infer_subjects
from tristream.inference.group_subjects import Measure, Subject, Where
from tristream.inference.people import LEVEL

EFFECT = Measure(
    "effect of the contrast",
    sides=2,
    anywhere=", corrected for all voxels by Bonferroni, in the direction of the contrast",
    shared="",
)
WHY = "a contrast has no prediction that could be moved to where another stimulus was"


def infer_contrasts(
    contrasts: Sequence[Path],
    settings: GroupSettings,
    output: Path,
    regions: Path | None = None,
    code: str = "",
) -> None:
    """Write the `group` file of one contrast.

    Parameters
    ----------
    contrasts : sequence of Path
        One a subject.
    settings : GroupSettings
        Permutations, seed, procedure.
    output : Path
        The file to write.
    regions : Path, optional
        Labels of the atlas, for voxels in MNI space.
    code : str
        Fingerprint for the provenance.
    """
    names = list(settings.timelines)
    subjects = [_subject(name, path) for name, path in zip(names, contrasts, strict=True)]
    infer_subjects(subjects, EFFECT, Shared(why=WHY), settings, output, regions, code)


def _subject(name: str, path: Path) -> Subject:
    found = read_contrast(path)
    known = np.flatnonzero(np.isfinite(found.effect))
    if not len(known):
        raise UserError(f"{path}: no voxel has an effect; look at its runs, and fit it again")
    effect = found.effect[known]
    # Prevalence is that of one direction: opposite effects do not add up to agreement.
    p = stats.norm.sf(found.z[known].astype(float))
    q = stats.false_discovery_control(p)
    bonferroni = np.minimum(1.0, len(p) * p)
    row = {
        "voxels": len(p),
        "mean": float(effect.mean()),
        "significant": int((q <= LEVEL).sum()),
        "significant_fwe": int((bonferroni <= LEVEL).sum()),
        "p_any": float(bonferroni.min()),
    }
    return Subject(
        *(name, effect, row, p, "", found.simulated, _where(found, known)),
        without=len(found.effect) - len(known),
    )


def _where(found: ContrastMap, known: npt.NDArray[np.integer]) -> Where:
    """Where voxels with an effect lie; regions without any are left out."""
    place = np.full(len(found.effect), -1)
    place[known] = np.arange(len(known))
    regions = {name: place[own][place[own] >= 0] for name, own in found.regions.items()}
    return Where(
        found.ijk[known],
        found.affine,
        found.shape,
        found.grayordinates.take(known) if found.grayordinates else None,
        {name: own for name, own in regions.items() if len(own)},
    )
