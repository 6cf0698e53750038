"""All subjects of one band's unique variance: for other people alone."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tristream.config.settings.inference import GroupSettings
from tristream.encode.encoding_file import read_scores
from tristream.encode.partition.partition_file import read_partition
from tristream.errors import UserError
from tristream.inference.group import Shared, infer_subjects
from tristream.inference.group_models import where_of
from tristream.inference.group_subjects import Measure, Subject

WHY = "every nested model would have to be fitted again in all subjects"
NO_P = "unique variance has no p value in each voxel"


def infer_partitions(
    partitions: Sequence[Path],
    encodings: Sequence[Path],
    band: str,
    settings: GroupSettings,
    output: Path,
    regions: Path | None = None,
    code: str = "",
) -> None:
    """Write the `group` file of the unique variance of one band.

    Parameters
    ----------
    partitions, encodings : sequence of Path
        One of each a subject, in the same order; the encodings say where the voxels lie.
    band : str
        Whose variance.
    settings : GroupSettings
        Permutations, seed, procedure.
    output : Path
        The file to write.
    regions : Path, optional
        Labels of the atlas, for voxels in MNI space.
    code : str
        Fingerprint for the provenance.
    """
    subjects = [_subject(*pair, band) for pair in zip(partitions, encodings, strict=True)]
    measure = Measure(f"unique variance (R²) of band {band}")
    infer_subjects(subjects, measure, Shared(why=WHY), settings, output, regions, code)


def _subject(partition: Path, encoding: Path, band: str) -> Subject:
    stored, provenance = read_partition(partition)
    scored, _ = read_scores(encoding)
    if not np.array_equal(stored.ijk, scored.ijk):
        raise UserError(f"{partition}: has other voxels than {encoding}; run `encode partition`")
    unique = stored.found.parts.value[stored.sets.index(band)]
    row = {
        "voxels": len(unique),
        "mean": float(unique.mean()),
        "significant": -1,
        "significant_fwe": -1,
        "p_any": float("nan"),
    }
    name, where = str(scored.about["subject"]), where_of(scored)
    return Subject(name, unique, row, None, NO_P, provenance.simulated, where)
