"""Files of a study of responses to single trials (betas): images, a table of trials, responses."""

import csv
import json
from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any

import h5py
import nibabel as nib
import numpy as np
import scipy.io
import yaml
from PIL import Image

RUNS = [f"run-{n}" for n in range(1, 7)]
TEST = RUNS[4:]
SHAPE = (6, 5, 4)
IMAGES = [f"image{n:02d}" for n in range(36)]
HELD_OUT = IMAGES[24:]
DRIVEN = 60  # of 120 voxels
AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])


LIGHT = '''"""Mean and spread of the grey values of pictures."""

import numpy as np

from tristream.features.core.registry import Block, extractor


@extractor(
    "light",
    media="film",
    images=True,
    layers=("grey",),
    names=lambda layer, options, p: ["mean", "spread"],
    window=lambda layer, options: 1.0,
    methods="mean and standard deviation of grey values",
)
def light(path, layers, options, weights, device):
    """A row a picture."""
    from tristream.media.still_images import read_image

    rows = [(read_image(one).mean(), read_image(one).std()) for one in path]
    yield {"grey": Block(np.array(rows), np.arange(len(rows), dtype=float))}
'''


def label_of(image: str) -> str:
    """Dark and bright images."""
    return ("dark", "bright")[int(image[5:]) % 2]


class Betas:
    """Responses of one subject: six runs, the last two of other images, each shown twice a run."""

    def __init__(self, seed: int = 3) -> None:
        rng = np.random.default_rng(seed)
        self.grey = {
            name: (60.0, 190.0)[int(name[5:]) % 2] + rng.uniform(-40, 40) for name in IMAGES
        }
        self.spread = {name: rng.uniform(5, 50) for name in IMAGES}
        self.trials: list[tuple[str, str]] = []
        for run in RUNS:
            shown = HELD_OUT if run in TEST else IMAGES[:24]
            self.trials += [(run, name) for name in rng.permutation(np.repeat(shown, 2))]
        known = np.array([[self.grey[name], self.spread[name]] for _, name in self.trials])
        known = (known - known.mean(0)) / known.std(0)
        weights = np.zeros((2, int(np.prod(SHAPE))))
        weights[:, :DRIVEN] = rng.standard_normal((2, DRIVEN))
        noise = rng.standard_normal((len(self.trials), weights.shape[1]))
        level = 10 * rng.standard_normal(weights.shape[1])
        drift = 0.5 * np.array([RUNS.index(run) for run, _ in self.trials])[:, None]
        self.responses = (known @ weights + 0.7 * noise + level + drift).astype(np.float32)

    def of_another(self, seed: int) -> "Betas":
        """Another subject: the same images in another order, the same weights, other noise."""
        rng, found = np.random.default_rng(seed), copy(self)
        order = np.concatenate([rng.permutation(self.rows([run])) for run in RUNS])
        found.trials = [self.trials[n] for n in order]
        noise = rng.standard_normal(self.responses.shape)
        found.responses = (self.responses[order] + 2 * noise).astype(np.float32)
        return found

    def image(self, name: str) -> Image.Image:
        """A grey image of known luminance and contrast."""
        rng = np.random.default_rng(int(name[5:]))
        noise = rng.standard_normal((48, 64))
        values = self.grey[name] + self.spread[name] * (noise - noise.mean()) / noise.std()
        return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8)).convert("RGB")

    def rows(self, runs: Sequence[str]) -> np.ndarray:
        """Places of the trials of some runs."""
        return np.array([n for n, (run, _) in enumerate(self.trials) if run in runs])


def write_table(path: Path, betas: Betas) -> None:
    """The table of trials: numbers of runs, files of images, labels."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="," if path.suffix == ".csv" else "\t")
        writer.writerow(["run", "stimulus", "label", "repeat"])
        seen: dict[str, int] = {}
        for run, name in betas.trials:
            seen[name] = seen.get(name, 0) + 1
            writer.writerow([run[4:], f"{name}.png", label_of(name), seen[name]])


def write_responses(path: Path, responses: np.ndarray) -> None:
    """Responses, (trials, voxels), in the format of the file's ending."""
    image = responses.T.reshape(*SHAPE, -1)
    if path.name.endswith(".nii.gz"):
        nib.save(nib.Nifti1Image(image, AFFINE), path)
    elif path.suffix in (".tsv", ".csv"):
        separator = "," if path.suffix == ".csv" else "\t"
        names = separator.join(f"v{n}" for n in range(responses.shape[1]))
        np.savetxt(path, responses, delimiter=separator, header=names, comments="")
    elif path.suffix == ".npy":
        np.save(path, responses)
    elif path.name.endswith("_v73.mat"):  # as MATLAB writes voxels x trials
        with h5py.File(path, "w") as file:
            file["modelmd"] = responses
    elif path.suffix == ".mat":
        scipy.io.savemat(path, {"betas": responses, "note": "text"})
    else:
        with h5py.File(path, "w") as file:
            file["betasmd"] = image
            file["other"] = np.zeros((3, 3))


def descriptor(responses: str, table: str, **changes: Any) -> dict[str, Any]:
    """The dataset's descriptor."""
    found = {
        "id": "d",
        "title": "Responses to images",
        "licence": "CC0",
        "citation": "none",
        "source": {"kind": "folder", "path": "raw"},
        "layout": {"kind": "betas", "responses": responses, "trials": table},
        "subjects": ["1"],
        "runs": RUNS,
        "stimuli": {
            "source": {"kind": "folder", "path": "images"},
            "table": [
                {"stimulus": name, "kind": "image", "path": f"{name}.png"} for name in IMAGES
            ],
        },
        "split": {"scheme": "holdout", "test": TEST},
        "exchange": {"unit": "item"},
    }
    layout = {**found["layout"], **changes.pop("layout", {})}
    return {**found, **changes, "layout": layout}


def write_study(
    folder: Path,
    betas: Betas,
    file: str,
    table: str,
    others: Mapping[str, Betas] | None = None,
    **changes: Any,
) -> Path:
    """A study of one encoding model and one decoder.

    With `others`, of several subjects: names of files then have ``{subject}``, of which 1 is the
    first's.
    """
    (folder / "raw").mkdir(parents=True)
    (folder / "images").mkdir()
    (folder / "workflow/datasets").mkdir(parents=True)
    for name in IMAGES:
        betas.image(name).save(folder / f"images/{name}.png")
    (folder / "light.py").write_text(LIGHT)
    about = {"Name": "betas", "License": "CC0", "Simulated": True}
    (folder / "raw/dataset_description.json").write_text(json.dumps(about))
    for subject, one in {"1": betas, **(others or {})}.items():
        write_table(folder / "raw" / table.format(subject=subject), one)
        write_responses(folder / "raw" / file.format(subject=subject), one.responses)
    made = descriptor(file, table, **changes)
    (folder / "workflow/datasets/d.yaml").write_text(yaml.safe_dump(made))
    content = {
        "datasets": ["d"],
        "features": {"light": {"stream": "ventral", "extractor": "light", "module": "light.py"}},
        "models": {
            "light": {
                "datasets": ["d"],
                "bands": {"light": ["light"]},
                "delays": [0],
                "select": "best",
                # Far apart: where two penalties are as good, rounding would choose.
                "alphas": {"lowest": 0, "highest": 4, "number": 3},
            }
        },
        "decoders": {
            "labels": {
                "datasets": ["d"],
                "kind": "ridge",
                "samples": "volumes",
                "standardize": "training",
                "regularization": 10.0,
                "permutations": 0,
            }
        },
        "inference": {"permutations": 200},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    return folder
