"""Unique variance over subjects: for other people alone."""

import numpy as np

from helpers.group_files import film_subjects
from helpers.inference_settings import grouping
from tristream.encode.encoding_file import read_scores
from tristream.encode.jackknife import Interval
from tristream.encode.partition.partition_file import KIND, StoredPartition, write_partition
from tristream.encode.partition.variance import Partition
from tristream.inference.group import STIMULI
from tristream.inference.group_file import read_group
from tristream.inference.group_partitions import WHY, infer_partitions
from tristream.store import Provenance

VOXELS = 40


def test_the_unique_variance_of_a_band_is_tested_over_people(tmp_path):
    rng = np.random.default_rng(0)
    encodings = [one[0] for one in film_subjects(tmp_path, 9, 0, voxels=VOXELS)]
    values, paths = [], []
    for k, encoding in enumerate(encodings):
        # Sets a, b and a+b; what b has of its own differs from 0 in half of the voxels.
        parts = 0.02 * rng.standard_normal((3, VOXELS))
        parts[1, : VOXELS // 2] += 0.05
        values.append(parts[1])
        interval = Interval(parts, parts, parts, parts)
        means = Interval(*np.zeros((4, 1, 3)))
        stored = StoredPartition(
            ["a", "b"],
            [],
            ["all voxels"],
            Partition(np.zeros((4, VOXELS)), interval, means, 10),
            read_scores(encoding)[0].ijk,
        )
        paths.append(tmp_path / f"partition_{k}.h5")
        write_partition(paths[-1], stored, Provenance(KIND, True, methods=("Done.",)))
    infer_partitions(paths, encodings, "b", grouping(), tmp_path / "group.h5")
    group, provenance = read_group(tmp_path / "group.h5")
    unique = np.array(values)[:, ::-1]
    means = group.voxels.means
    np.testing.assert_allclose(means.mean, unique.mean(0), atol=1e-6)
    np.testing.assert_allclose(means.sd, unique.std(0, ddof=1), atol=1e-6)
    assert (means.people.p[VOXELS // 2 :] < 0.02).mean() > 0.9
    assert (means.people.p[: VOXELS // 2] < 0.05).mean() < 0.3
    assert means.stimuli is None
    assert {o.what: o.why for o in provenance.omitted}[STIMULI] == WHY
    assert "unique variance (R²) of band b" in " ".join(provenance.methods)
