"""Which fMRIPrep made the outputs of a dataset."""

import json
from pathlib import Path

import pytest

from helpers.bold_tree import receipt_of
from tristream.bold.derivatives_text import fmriprep_cited
from tristream.errors import UserError

HOME = "derivatives/fmriprep"


def cited(root: Path, described: object = None) -> str:
    path = root / HOME / "dataset_description.json"
    path.parent.mkdir(parents=True)
    (root / HOME / "other.txt").touch()
    if described is not None:
        path.write_text(described if isinstance(described, str) else json.dumps(described))
    return fmriprep_cited(receipt_of(root), HOME)


@pytest.mark.parametrize(
    "described",
    [
        {"GeneratedBy": [{"Name": "fMRIPrep", "Version": "23.2.1"}]},
        {"GeneratedBy": [{"Name": "smriprep"}, {"Name": "fmriprep", "Version": "23.2.1"}]},
        {"PipelineDescription": {"Name": "fMRIPrep", "Version": "23.2.1"}},
    ],
)
def test_the_version_is_that_of_the_description(described: object, tmp_path: Path) -> None:
    assert cited(tmp_path, described) == "fMRIPrep 23.2.1 [@esteban2019]"


@pytest.mark.parametrize(
    "described", [None, {}, {"GeneratedBy": [{"Name": "other", "Version": "1"}]}]
)
def test_no_version_is_made_up(described: object, tmp_path: Path) -> None:
    assert cited(tmp_path, described) == "fMRIPrep [@esteban2019]"


@pytest.mark.parametrize("described", ["{", "[]", '{"GeneratedBy": ["fMRIPrep"]}'])
def test_a_damaged_description_is_one_line(described: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"dataset_description\.json: can't be read") as raised:
        cited(tmp_path, described)
    assert "\n" not in str(raised.value)
