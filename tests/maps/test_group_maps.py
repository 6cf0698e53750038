"""Maps of all subjects: spread, and each question under a name of its own."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from helpers.group_files import SHAPE, places
from tristream.config.settings.maps import GroupMapsSettings
from tristream.inference.group import PEOPLE
from tristream.inference.group_file import CommonVoxels, GroupLevel, GroupTest, Means, write_group
from tristream.maps.group_maps import draw_group
from tristream.maps.map_list import read_maps
from tristream.store import Omission, Provenance

VOXELS = 200
AFFINE = np.diag([-4.0, 4, 4, 1])


def drawn(folder, space, whole=True, people=True):
    p = np.linspace(0.001, 1, VOXELS)
    test = GroupTest(p, np.minimum(1, 2 * p), p, 0.001, 999, 10**6)
    means = Means(np.linspace(0, 0.3, VOXELS), np.full(VOXELS, 0.1), test, test if people else None)
    voxels = CommonVoxels(places(VOXELS), AFFINE, SHAPE, None, means, np.arange(VOXELS) % 9)
    table = pd.DataFrame({"voxels": [VOXELS] * 9})
    names = [f"{k}" for k in range(9)]
    group = GroupLevel(
        "test correlation", names, table, 0.05, 0.95, 0, voxels=voxels if whole else None
    )
    omitted = () if people else (Omission(PEOPLE, "5 subjects"), Omission("counts", "no p"))
    given = Provenance("group", True, {"fdr": 0.05}, omitted=omitted, methods=("Done.",))
    write_group(folder / "group.h5", group, given)
    settings = GroupMapsSettings(
        dataset="bunny", section="models", name="streams", task="film", space=space
    )
    output = folder / "maps/group/maps.json"
    draw_group(settings, folder / "group.h5", output)
    return output, *read_maps(output)


@pytest.mark.parametrize("people", [True, False])
def test_questions_have_files_of_their_own(tmp_path, people):
    output, listed, provenance = drawn(tmp_path, "MNI152NLin2009cAsym", people=people)
    files = {one.quantity: one.file for one in listed.maps if one.kind == "nifti"}
    asked = {"stimuli"} | ({"people"} if people else set())
    tested = {f"{p}_other_{question}" for p in ("q", "p_fwe") for question in asked}
    assert set(files) == {"mean", "sd", "count", *tested}
    stem = "func/task-film_space-MNI152NLin2009cAsym_desc-streams_stat"
    assert files["q_other_stimuli"] == f"{stem}-qotherstimuli_statmap.nii.gz"
    spread = nib.load(output.parent / files["sd"])
    inside = np.isfinite(np.asarray(spread.dataobj))
    assert inside.sum() == VOXELS
    np.testing.assert_allclose(np.asarray(spread.dataobj)[inside], 0.1, rtol=1e-6)
    assert [o.what for o in provenance.omitted] == ([] if people else [PEOPLE])
    titles = {one.quantity: one.title for one in listed.maps}
    assert "for other stimuli in these subjects" in titles["q_other_stimuli"]
    figures = [one for one in listed.maps if one.kind == "volume"]
    assert [one.quantity for one in figures] == ["mean", "sd"]
    assert all((output.parent / one.file).is_file() for one in figures)
    assert all((output.parent / one.tsv).is_file() for one in figures)
    words = "Where the mean, for other stimuli in these subjects, is not significant"
    assert [words in one.caption for one in figures] == [True, False]


def test_grids_of_their_own_have_no_figure_and_no_voxels_no_map(tmp_path):
    _, listed, provenance = drawn(tmp_path, None)
    assert {one.kind for one in listed.maps} == {"nifti"}
    assert "no image that all subjects share" in provenance.omitted[0].why
    _, listed, _ = drawn(tmp_path, None, whole=False)
    assert listed.maps == []
