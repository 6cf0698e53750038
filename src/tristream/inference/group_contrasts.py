"""All subjects of one contrast between conditions: for other people alone."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import stats

from tristream.config.settings.inference import GroupSettings
from tristream.contrast.contrast_file import read_contrast
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
    # Prevalence is that of one direction: opposite effects do not add up to agreement.
    p = stats.norm.sf(found.z.astype(float))
    q = stats.false_discovery_control(p)
    bonferroni = np.minimum(1.0, len(p) * p)
    row = {
        "voxels": len(p),
        "mean": float(np.nanmean(found.effect)),
        "significant": int((q <= LEVEL).sum()),
        "significant_fwe": int((bonferroni <= LEVEL).sum()),
        "p_any": float(bonferroni.min()),
    }
    where = Where(found.ijk, found.affine, found.shape, found.grayordinates, found.regions)
    return Subject(name, np.nan_to_num(found.effect), row, p, "", found.simulated, where)
