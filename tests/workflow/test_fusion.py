"""Derived spaces in the workflow: fitted once, a file a layer, at the volumes like others."""

from pathlib import Path

import pytest

from helpers.small_study import edit, planned, snakemake
from tristream.store import open_h5

pytestmark = pytest.mark.xdist_group("study")


def add(config: dict) -> None:
    """A joint space of picture and sound, of which a model takes two layers."""
    config["fusion"] = {
        "both": {
            "stream": "ventral",
            "method": "cca",
            "parents": ["flow", "acoustics"],
            "components": 3,
            "reduce": 10,
            "variates": ["shared", "first"],
        }
    }
    config["models"]["fused"] = {
        "datasets": ["tiny"],
        "bands": {"both": ["both/shared"], "first": ["both/first"]},
        "delays": ["3 TR", "5 TR"],
    }


def test_a_derived_space_is_fitted_once_and_reaches_the_volumes(study: Path) -> None:
    edit(study / "config.yaml", add)
    jobs = planned(study)
    assert jobs["fusion_fit"] == 1
    assert jobs["fuse"] == 2
    assert jobs["align"] == 2
    assert not {"features", "bold", "inventory"} & set(jobs)
    target = "results/align/tiny/main/both/shared.h5"
    snakemake(study, target)
    with open_h5(study / target, "aligned") as (file, said):
        assert file.attrs["space"] == "both"
        assert all(runs.shape[1] == 3 for runs in file["runs"].values())
        assert said.simulated
    edit(study / "config.yaml", lambda c: c["fusion"]["both"].update(stream="dorsal"))
    assert "fusion_fit" not in planned(study, target)
    edit(study / "config.yaml", lambda c: c["fusion"]["both"].update(reduce=8))
    assert planned(study, target) == {"fusion_fit": 1, "fuse": 1, "align": 1}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"parents": ["flow", "sound"]}, "fusion.both.parents: no feature space 'sound'"),
        ({"parents": ["flow", "acoustics/chroma9"]}, "fusion.both.parents: 'chroma9'"),
        ({"method": "pca"}, "fusion.both.pca.reduce: unknown key"),
    ],
)
def test_a_mistake_stops_the_run_before_it_starts(
    study: Path, change: dict[str, object], words: str
) -> None:
    edit(study / "config.yaml", add)
    edit(study / "config.yaml", lambda c: c["fusion"]["both"].update(change))
    said = snakemake(study, "--dry-run", ok=False)
    assert sum(words in line for line in said.splitlines()) == 1, said
