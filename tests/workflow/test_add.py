"""A dataset, a subject, a feature, a whole analysis: added as README says, and run."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from helpers.small_study import REPO, STUDY, edit, planned, snakemake, write

pytestmark = pytest.mark.xdist_group("study")

BRIGHTNESS = '''
"""Mean brightness of film frames."""

from tristream.config.base import Section
from tristream.features.core.registry import Block, extractor


class Options(Section):
    fps: float = 4.0


@extractor(
    "brightness", media="film", layers=("mean",), options=Options, methods="mean brightness"
)
def brightness(path, layers, options, weights, device):
    """Mean grey level of each frame."""
    import numpy as np

    from tristream.media.films import frames

    for time, image in frames(path, fps=options.fps, size=(64, 36), format="gray"):
        yield {"mean": Block(np.array([[image.mean()]]), np.array([time + 0.5 / options.fps]))}
'''


def own_dataset(finished: Path, folder: Path) -> None:
    """A user's own BIDS folder with fMRIPrep outputs of two subjects, and its descriptor."""
    source = finished / "results/simulate/tiny/dataset"
    ours = folder / "our_bids"
    shutil.copytree(source, ours, ignore=shutil.ignore_patterns(".git", ".datalad"))
    for path in sorted(ours.rglob("*sub-01*"), key=lambda p: len(p.parts)):
        copied = Path(str(path).replace("sub-01", "sub-02"))
        if path.is_dir():
            copied.mkdir(exist_ok=True)
        else:
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copied)
    content = yaml.safe_load((STUDY / "workflow/datasets/tiny.yaml").read_text())
    content.update(id="ours", subjects=["01", "02"], source={"kind": "folder", "path": "our_bids"})
    (folder / "workflow/datasets/ours.yaml").write_text(yaml.safe_dump(content))


def test_a_dataset_a_subject_and_a_feature_are_added(finished: Path, tmp_path: Path, cache):
    folder = write(tmp_path / "study", cache)
    own_dataset(finished, folder)
    (folder / "brightness.py").write_text(BRIGHTNESS)

    def only_ours(config):
        config["datasets"] = {"ours": {"subjects": ["01"]}}
        config["features"] = {
            "bright": {"stream": "nuisance", "extractor": "brightness", "module": "brightness.py"}
        }
        config["models"] = {
            "light": {
                "datasets": ["ours"],
                "bands": {"light": ["bright"]},
                "delays": ["4 TR", "6 TR"],
            }
        }

    edit(folder / "config.yaml", only_ours)
    snakemake(folder)
    page = (folder / "results/report/ours_sub-01.html").read_text()
    # The images say in their own dataset_description that they are simulated.
    assert "simulated BOLD" in page
    receipt = "results/fetch/ours/sub-{}/receipt.json"
    assert json.loads((folder / receipt.format("01")).read_text())["simulated"]
    assert not planned(folder)

    edit(folder / "config.yaml", lambda c: c["datasets"]["ours"]["subjects"].append("02"))
    jobs = planned(folder)
    assert jobs["bold"] == 5
    assert jobs["encode"] == 1
    assert not {"features", "align", "leakage"} & set(jobs)
    snakemake(folder, receipt.format("02"))
    assert json.loads((folder / receipt.format("02")).read_text())["simulated"]

    # A folder that is corrected in place: the same names and sizes, another content.
    first = next((folder / "our_bids").glob("sub-01/func/*_events.tsv"))
    for subject in ("sub-01", "sub-02"):
        events = Path(str(first).replace("sub-01", subject))
        events.write_text(events.read_text().replace("\n4", "\n5", 1))
        if subject == "sub-01":
            # Of one subject alone, the dry run says so.
            assert "differs from sub-0" in snakemake(folder, "--dry-run", ok=False)
    assert {"fetch_dataset", "inventory", "align", "encode"} <= set(planned(folder))


def test_a_stimulus_is_a_row(study: Path):
    def second(descriptor):
        row = dict(descriptor["stimuli"]["table"][0], stimulus="again", match="again.mp4")
        descriptor["stimuli"]["table"].append(row)

    edit(study / "workflow/datasets/tiny.yaml", second)
    jobs = planned(study)
    assert jobs["features"] == 5
    assert "inventory" in jobs


def test_the_workflow_is_a_module_of_another(finished: Path, tmp_path: Path, cache):
    folder = write(tmp_path / "other", cache)
    own_dataset(finished, folder)
    snakefile = f'''
configfile: "config.yaml"

module tristream:
    snakefile: "{REPO}/workflow/Snakefile"
    config: config

use rule * from tristream as tristream_*

rule count:
    default_target: True
    input: "results/stimuli/ours/inventory.tsv"
    output: "count.txt"
    shell: "wc -l < {{input}} > {{output}}"
'''
    (folder / "Snakefile").write_text(snakefile)
    edit(folder / "config.yaml", lambda c: c.update(datasets=["ours"], models={}))
    said = snakemake(folder, "-s", "Snakefile")
    assert "tristream_inventory" in said
    assert int((folder / "count.txt").read_text()) == 6  # a header and one event in each of 5 runs
