"""A small BIDS dataset with fMRIPrep outputs, whose voxels follow a known course of time."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import av
import nibabel as nib
import numpy as np
import yaml

TR = 1.5
SHAPE = (5, 4, 3)
# Voxels of the first slab follow what was shown, all others are noise.
DRIVEN = 1
LAG = 4.5
FILM_RATE = 10
LEVEL_SECONDS = 3.0
SPACE = "MNI152NLin2009cAsym"


def write_dataset(root: Path, name: str) -> None:
    """What the dataset says of itself."""
    root.mkdir(parents=True, exist_ok=True)
    about = {"Name": name, "License": "CC0", "BIDSVersion": "1.9.0", "Simulated": True}
    about["HowToAcknowledge"] = "Cite nobody."
    (root / "dataset_description.json").write_text(json.dumps(about))


def write_run(
    root: Path,
    run: str,
    course: np.ndarray,
    events: Sequence[Mapping[str, object]] | None,
    subject: str = "01",
) -> None:
    """One run: BOLD of which :data:`DRIVEN` slabs follow `course`, mask, sidecars and events.

    Parameters
    ----------
    course : ndarray of shape (volumes,) or (volumes, patterns)
        What drives the voxels, at the times of the volumes.
    events : list of dict, optional
        Rows of the events file; none is written without them.
    """
    made = root / f"derivatives/fmriprep/sub-{subject}/func"
    raw = root / f"sub-{subject}/func"
    for folder in (made, raw):
        folder.mkdir(parents=True, exist_ok=True)
    # The same patterns in all runs, other noise in each.
    courses = course.reshape(len(course), -1)
    driven = DRIVEN * SHAPE[1] * SHAPE[2]
    patterns = np.random.default_rng(0).standard_normal((courses.shape[1], driven))
    noise = np.random.default_rng(sum(map(ord, run)))
    bold = noise.standard_normal((np.prod(SHAPE), len(course)))
    bold[:driven] += 10 * (courses @ patterns).T
    image = nib.Nifti1Image(
        (1000 + 10 * bold).reshape(*SHAPE, -1).astype(np.float32), np.diag([3.0, 3, 3, 1])
    )
    image.header.set_zooms((3, 3, 3, TR))
    image.header.set_xyzt_units("mm", "sec")
    stem = made / f"sub-{subject}_{run}"
    nib.save(image, f"{stem}_space-{SPACE}_desc-preproc_bold.nii.gz")
    mask = nib.Nifti1Image(np.ones(SHAPE, np.uint8), image.affine)
    nib.save(mask, f"{stem}_space-{SPACE}_desc-brain_mask.nii.gz")
    stated = json.dumps({"RepetitionTime": TR, "StartTime": 0.0})
    Path(f"{stem}_space-{SPACE}_desc-preproc_bold.json").write_text(stated)
    moved = noise.standard_normal((len(course), 6)) / 10
    names = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z", "cosine00"]
    slow = np.cos(np.pi * (np.arange(len(course)) + 0.5) / len(course))
    rows = [
        "\t".join(f"{value:.5f}" for value in (*m, s)) for m, s in zip(moved, slow, strict=True)
    ]
    table = "\n".join(["\t".join(names), *rows]) + "\n"
    Path(f"{stem}_desc-confounds_timeseries.tsv").write_text(table)
    (root / f"{run.split('_')[0]}_bold.json").write_text(json.dumps({"RepetitionTime": TR}))
    if events:
        columns = list(events[0])
        lines = ["\t".join(str(row[c]) for c in columns) for row in events]
        text = "\n".join(["\t".join(columns), *lines]) + "\n"
        (raw / f"sub-{subject}_{run}_events.tsv").write_text(text)
    (raw / f"sub-{subject}_{run}_bold.nii.gz").write_bytes(b"")  # its name alone is read


def write_descriptor(folder: Path, name: str, root: Path, **changes: Any) -> None:
    """A descriptor of a dataset's folder, of one subject, in the study of `folder`."""
    content: dict[str, Any] = {
        "id": name,
        "title": name,
        "licence": "CC0",
        "citation": "none",
        "source": {"kind": "folder", "path": str(root)},
        "layout": {"kind": "fmriprep", "space": SPACE},
        "tr": TR,
        "subjects": ["01"],
        "split": {"scheme": "leave-one-run-out"},
        "exchange": {"unit": "time"},
        **changes,
    }
    place = folder / "workflow/datasets" / f"{name}.yaml"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(yaml.safe_dump(content))


def write_faces(root: Path, subjects: Sequence[str] = ("01",)) -> None:
    """Four runs of faces and houses, whose labels the events have; voxels respond to them."""
    write_dataset(root, "Faces and houses")
    order = np.random.default_rng(1)
    for subject in subjects:
        for number in range(1, 5):
            labels = order.permutation(["face", "house"] * 3)
            events = [
                {"onset": 3 + 14.5 * n, "duration": 9, "trial_type": label}
                for n, label in enumerate(labels)
            ]
            course = shown_course(events, ["face", "house"], 100)
            write_run(root, f"task-see_run-{number}", course, events, subject)


def volumes(seconds: float) -> np.ndarray:
    """Times of the volumes of a run."""
    return TR * np.arange(round(seconds / TR))


def shown_course(events: Sequence[Mapping[str, object]], labels: Sequence[str], seconds: float):
    """One column a label, 1 from :data:`LAG` after an event's onset for its duration."""
    times = volumes(seconds)
    out = np.zeros((len(times), len(labels)))
    for event in events:
        if event["trial_type"] in labels:
            late = times - float(str(event["onset"])) - LAG
            inside = (late >= 0) & (late < float(str(event["duration"])))
            out[inside, labels.index(str(event["trial_type"]))] = 1
    return out


def levels(seconds: float, seed: int = 0) -> np.ndarray:
    """Luminance of a film, one value each :data:`LEVEL_SECONDS`."""
    return np.random.default_rng(seed).uniform(0, 1, round(seconds / LEVEL_SECONDS))


def write_film(path: Path, level: np.ndarray) -> None:
    """A film whose luminance is `level`, for as long as this lasts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = np.repeat(level, round(LEVEL_SECONDS * FILM_RATE))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FILM_RATE, options={"qp": "4", "g": "10"})
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        texture = np.random.default_rng(0).integers(0, 30, (64, 64, 3))
        for value in frames:
            picture = (texture + 20 + 200 * value).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def film_course(level: np.ndarray, seconds: float, onset: float, media_start: float) -> np.ndarray:
    """Luminance that the volumes answer to, where a film is entered at `media_start`."""
    seen = volumes(seconds) - LAG - onset
    index = np.floor((seen + media_start) / LEVEL_SECONDS).astype(int)
    index = np.clip(index, 0, len(level) - 1)
    return np.where(seen >= 0, level[index] - level.mean(), 0.0)
