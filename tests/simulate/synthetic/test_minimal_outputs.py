"""Simulated minimal outputs: the reader gives back the BOLD that went in."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine
from nilearn.datasets import load_mni152_brain_mask

from helpers.bold_tree import prepare, receipt_of
from tristream.bold.resampling.transforms import read_affines
from tristream.bold.run_file import Run
from tristream.config.dataset import Dataset
from tristream.simulate.synthetic.heads import Anatomy
from tristream.simulate.synthetic.minimal_outputs import write_minimal_subject
from tristream.simulate.synthetic.raw_scans import ACQUISITIONS, USUAL, complete_sidecar
from tristream.simulate.synthetic.settings import SyntheticSettings
from tristream.simulate.synthetic.transform_files import write_affines

HOME = "derivatives/fmriprep"
RUNS = ("task-Training_run-01", "task-Test_run-01")
VOLUMES = 24
Change = Callable[[np.ndarray], np.ndarray]
SIDECAR = {
    "RepetitionTime": 1.5,
    "PhaseEncodingDirection": "j-",
    "EffectiveEchoSpacing": 0.000691085003455425,
    # 68 slices, four at once.
    "SliceTiming": 4 * [round(0.0885 * ((k * 9) % 17), 4) for k in range(17)],
}


SETTINGS = SyntheticSettings("ds003720", ("001",), RUNS, scale=4.0)


def responses(run: str, worlds: np.ndarray) -> np.ndarray:
    """Blobs, each with a time course of its own, on a brain of uneven baseline."""
    rng = np.random.default_rng(3)
    centres = rng.uniform([-60, -95, -40], [60, 60, 70], (40, 3))
    distance = ((worlds[:, None] - centres) ** 2).sum(axis=2)
    blobs = np.exp(-distance / (2 * 16.0**2))
    courses = np.random.default_rng(RUNS.index(run)).standard_normal((VOLUMES, 40))
    return (1000 + blobs @ rng.uniform(-300, 300, 40) + 15 * courses @ blobs.T).astype(np.float32)


def dataset(**layout: object) -> Dataset:
    """ds003720's descriptor, of the runs that were written."""
    return Dataset.model_validate(
        {
            "id": "ds003720",
            "title": "music",
            "licence": "CC0",
            "citation": "none",
            "source": {"kind": "folder", "path": "raw"},
            "layout": {
                "kind": "fmriprep_minimal",
                "resolution": 6.0,
                "confounds": ["high_pass"],
                **layout,
            },
            "tr": 1.5,
            "subjects": ["001"],
            "runs": list(RUNS),
            "split": {"scheme": "holdout", "test": ["task-Test_*"]},
            "exchange": {"unit": "time"},
        }
    )


def write(root: Path) -> Path:
    """One subject beside the sidecars of the real dataset."""
    rng = np.random.default_rng(0)
    for run in RUNS:
        path = root / f"sub-001/func/sub-001_{run}_bold.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(SIDECAR))
    write_minimal_subject(root, root / HOME, dataset(), SETTINGS, "001", responses, rng)
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("synthetic"))


def prepared(root: Path, run: str, **layout: object) -> Run:
    return prepare(dataset(**layout), "001", run, receipt_of(root))


def correlations(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Of each voxel with its truth, and how strong its signal is."""
    truth = responses(run.run, apply_affine(run.affine, run.ijk)).astype(float)
    truth -= run.projection @ (run.projection.T @ truth)
    spread = truth.std(axis=0)
    truth /= spread
    found = run.bold - run.bold.mean(axis=0)
    found /= found.std(axis=0)
    return np.mean(truth * found, axis=0), spread


def comes_back(run: Run) -> bool:
    r, spread = correlations(run)
    strong = r[spread > np.median(spread)]
    return bool(np.mean(strong >= 0.95) >= 0.98 and np.median(strong) > 0.999)


@pytest.mark.parametrize("run", RUNS)
def test_truth_comes_back(root: Path, run: str) -> None:
    found = prepared(root, run)
    assert comes_back(found)
    assert found.fd[1:].max() > 0.8
    assert len(found.ijk) > 5000
    assert 0.6 < found.start_time < 0.75
    truth = responses(run, apply_affine(found.affine, found.ijk)).mean(axis=0)
    assert np.corrcoef(found.mean, truth)[0, 1] > 0.99


def test_tissues_share_the_brain_and_give_noise_components(root: Path) -> None:
    anat = root / HOME / "sub-001/anat"
    shares = [nib.load(anat / f"sub-001_label-{t}_probseg.nii.gz") for t in ("GM", "WM", "CSF")]
    mask = np.asarray(nib.load(anat / "sub-001_desc-brain_mask.nii.gz").dataobj)
    np.testing.assert_array_equal(sum(np.asarray(share.dataobj) for share in shares), mask)
    found = prepared(root, RUNS[0], confounds=["compcor", "high_pass", "wm_csf"])
    assert {"csf", "white_matter", "a_comp_cor_00"} <= set(found.confound_names)


def inverted(motion: np.ndarray) -> np.ndarray:
    return np.linalg.inv(motion)


def ignored(motion: np.ndarray) -> np.ndarray:
    return np.repeat(np.eye(4)[None], len(motion), axis=0)


@pytest.mark.parametrize("mistake", [inverted, ignored])
def test_truth_needs_head_motion(root: Path, mistake: Change) -> None:
    with changed(root, "from-orig_to-boldref_mode-image_desc-hmc_xfm.txt", mistake):
        assert not comes_back(prepared(root, RUNS[0]))
    assert comes_back(prepared(root, RUNS[0]))


def test_truth_needs_the_coregistration(root: Path) -> None:
    with changed(root, "from-boldref_to-T1w_mode-image_desc-coreg_xfm.txt", inverted):
        assert not comes_back(prepared(root, RUNS[0]))


@contextmanager
def changed(root: Path, ending: str, mistake: Change) -> Iterator[None]:
    """Transforms of the first run are others for a while."""
    path = root / HOME / f"sub-001/func/sub-001_{RUNS[0]}_{ending}"
    before = path.read_bytes()
    write_affines(path, mistake(read_affines(path)))
    yield
    path.write_bytes(before)


def landmark_errors(run: Run) -> np.ndarray:
    """How far (mm) the mean image lies from its truth around each blob's centre."""
    at = apply_affine(run.affine, run.ijk)
    truth = responses(run.run, at).mean(axis=0)
    steps = 0.5 * np.eye(3)
    slope = [(responses(run.run, at + s).mean(axis=0) - truth) / 0.5 for s in steps]
    far = []
    for centre in ([0, 0, 0], [30, -20, 10], [-30, -20, 10], [0, 40, 20], [0, -70, 20]):
        near = ((at - centre) ** 2).sum(axis=1) < 22**2
        shift = np.linalg.lstsq(np.stack(slope, 1)[near], (run.mean - truth)[near], rcond=None)
        far.append(np.linalg.norm(shift[0]))
    return np.array(far)


def test_landmarks_lie_where_they_were_and_need_the_distortion_field(root: Path) -> None:
    assert landmark_errors(prepared(root, RUNS[0])).max() < 0.3
    without = prepared(root, RUNS[0], distortion=False)
    assert "distortion" not in without.sources
    assert landmark_errors(without).max() > 1.0


def test_ants_reads_the_transforms_too(root: Path, tmp_path: Path) -> None:
    """The undistorted reference in template space, by the program whose files they are."""
    import ants

    func, anat = root / HOME / "sub-001/func", root / HOME / "sub-001/anat"
    start = f"{func}/sub-001_{RUNS[0]}"
    template = load_mni152_brain_mask(resolution=4)
    nib.save(template, tmp_path / "template.nii.gz")
    found = ants.apply_transforms(
        ants.image_read(str(tmp_path / "template.nii.gz")),
        ants.image_read(f"{start}_desc-coreg_boldref.nii.gz"),
        [
            str(anat / "sub-001_from-T1w_to-MNI152NLin2009cAsym_mode-image_xfm.h5"),
            f"{start}_from-boldref_to-T1w_mode-image_desc-coreg_xfm.txt",
        ],
        interpolator="bSpline",
    ).numpy()
    ijk = np.argwhere(template.get_fdata() > 0)
    truth = responses(RUNS[0], apply_affine(template.affine, ijk)).mean(axis=0)
    assert np.corrcoef(found[tuple(ijk.T)], truth)[0, 1] > 0.9999


def test_names_are_those_of_the_real_derivatives(root: Path) -> None:
    made = {p.relative_to(root / HOME).as_posix() for p in (root / HOME).rglob("*") if p.is_file()}
    start = "sub-001/func/sub-001_task-Test_run-01"
    assert {
        f"{start}_desc-hmc_boldref.nii.gz",
        f"{start}_desc-coreg_boldref.nii.gz",
        f"{start}_from-orig_to-boldref_mode-image_desc-hmc_xfm.txt",
        f"{start}_from-boldref_to-T1w_mode-image_desc-coreg_xfm.txt",
        f"{start}_from-boldref_to-auto00001_mode-image_xfm.txt",
        "sub-001/fmap/sub-001_run-01_fmapid-auto00001_desc-coeff0_fieldmap.nii.gz",
        "sub-001/fmap/sub-001_run-01_fmapid-auto00001_desc-coeff1_fieldmap.nii.gz",
        "sub-001/fmap/sub-001_run-01_fmapid-auto00001_desc-preproc_fieldmap.json",
        "sub-001/anat/sub-001_desc-brain_mask.nii.gz",
        "sub-001/anat/sub-001_desc-preproc_T1w.nii.gz",
        "sub-001/anat/sub-001_label-CSF_probseg.nii.gz",
        "sub-001/anat/sub-001_from-T1w_to-MNI152NLin2009cAsym_mode-image_xfm.h5",
        "dataset_description.json",
    } <= made
    assert json.loads((root / HOME / "dataset_description.json").read_text())["Simulated"] is True
    image = nib.load(root / f"sub-001/func/sub-001_{RUNS[0]}_bold.nii")
    assert image.get_data_dtype() == np.int16
    assert image.shape == (26, 26, 19, VOLUMES)
    np.testing.assert_allclose(image.header.get_zooms(), [8, 8, 8, 1.5])


def test_sidecar_fits_the_image_and_is_made_where_there_is_none(root: Path, tmp_path: Path) -> None:
    scaled = ACQUISITIONS["ds003720"].scaled(4)
    path = tmp_path / "bold.json"
    complete_sidecar(path, scaled, 1.5, {})
    wanted = {name: value for name, value in SIDECAR.items() if name != "SliceTiming"}
    assert json.loads(path.read_text()) == wanted
    written = root / f"sub-001/func/sub-001_{RUNS[0]}_bold.json"
    assert len(json.loads(written.read_text())["SliceTiming"]) == scaled.shape[2]
    real = json.dumps(SIDECAR)
    path.write_text(real)
    complete_sidecar(path, ACQUISITIONS["ds003720"], 1.5, SIDECAR)
    assert path.read_text() == real
    # Of images that are not like the real ones it says how they are, whatever the real one says.
    given = {**SIDECAR, "PhaseEncodingDirection": "i", "TotalReadoutTime": 0.03, "EchoTime": 0.03}
    complete_sidecar(path, USUAL, 2.0, given)
    stated = json.loads(path.read_text())
    assert (stated["PhaseEncodingDirection"], stated["EchoTime"]) == ("j-", 0.03)
    assert "TotalReadoutTime" not in stated
    assert len(stated["SliceTiming"]) == USUAL.shape[2]


def test_full_size_is_the_real_one() -> None:
    real = ACQUISITIONS["ds003720"].scaled(1)
    assert (real.shape, real.edge, real.ending) == ((96, 96, 68), 2.0, ".nii")


def test_bend_of_the_brain_is_undone() -> None:
    points = np.random.default_rng(1).uniform(-80, 80, (200, 3))
    bent = Anatomy(np.diag([0.9, 0.88, 0.9, 1]), np.arange(9.0).reshape(3, 3))
    np.testing.assert_allclose(bent.to_template(bent.to_t1w(points)), points, atol=1e-4)
    assert np.abs(bent.displacement(points)).max() > 2


def test_same_seed_gives_the_same_files(root: Path, tmp_path: Path) -> None:
    again = write(tmp_path)
    for path in (f"sub-001/func/sub-001_{RUNS[1]}_bold.nii", f"{HOME}/sub-001/anat"):
        pairs = [(root / path, again / path)]
        if (root / path).is_dir():
            pairs = [(p, again / path / p.name) for p in sorted((root / path).iterdir())]
        for one, other in pairs:
            assert one.read_bytes() == other.read_bytes(), one.name
