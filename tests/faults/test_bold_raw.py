"""Faulty raw datasets: each fault is one line that names the file and what is wrong."""

import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydantic import ValidationError

from helpers import REPOSITORY
from helpers import raw_head as world
from helpers.bold_tree import bold_settings, check_settings, prepare, receipt_of
from helpers.synthetic_head import save_bold
from tristream.bold.check_subject import check_subject
from tristream.bold.prepare import prepare_run
from tristream.bold.registration import antspy_extra as extra
from tristream.bold.registration.motion import register_run
from tristream.bold.registration.registration_file import (
    Normalisation,
    Registration,
    write_registration,
)
from tristream.config.load import resolve
from tristream.config.settings.bold import RegisterSettings
from tristream.errors import UserError

FIRST, SECOND = world.RUNS
BOLD = f"sub-01/func/sub-01_{FIRST}_bold.nii.gz"
NOWHERE = Normalisation("", nib.Nifti1Image(np.ones((4, 4, 4), np.float32), np.eye(4)), ())


def settings() -> RegisterSettings:
    """What registration may know of the dataset."""
    return RegisterSettings.of_dataset(world.dataset(), "01")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Small runs that are never registered."""
    func = tmp_path / "raw/sub-01/func"
    func.mkdir(parents=True)
    for run in world.RUNS:
        data = 100 + np.random.default_rng(0).random((6, 6, 6, 12))
        save_bold(func / f"sub-01_{run}_bold.nii.gz", data, np.diag([4, 4, 4, 1]), tr=world.TR)
        (func / f"sub-01_{run}_events.tsv").write_text("onset\tduration\ttrial_type\n2\t4\ttone\n")
    return tmp_path / "raw"


def change(root: Path, edit: Callable[[np.ndarray], None]) -> None:
    image = nib.load(root / BOLD)
    data = image.get_fdata()
    edit(data)
    fresh = nib.Nifti1Image(data.astype(np.float32), image.affine)
    fresh.header.set_zooms((*fresh.header.get_zooms()[:3], world.TR))
    nib.save(fresh, root / BOLD)


def absent(root: Path) -> None:
    (root / BOLD).unlink()


def truncated(root: Path) -> None:
    content = gzip.decompress((root / BOLD).read_bytes())
    (root / BOLD).write_bytes(gzip.compress(content[: len(content) // 2]))


def with_nan(root: Path) -> None:
    def edit(data: np.ndarray) -> None:
        data[1, 2, 3, 4] = np.nan

    change(root, edit)


def empty_volume(root: Path) -> None:
    def edit(data: np.ndarray) -> None:
        data[..., 3] = 0

    change(root, edit)


def sheared(root: Path) -> None:
    image = nib.load(root / BOLD)
    affine = image.affine.copy()
    affine[0, 1] = 1.5
    save_bold(root / BOLD, image.get_fdata(), affine, tr=world.TR)


FAULTS = [
    (absent, r"the raw BOLD of task-film_run-01 is missing \(sub-01/func/sub-01_task-film_run-01_"),
    (truncated, r"_bold.nii.gz: is truncated or damaged"),
    (with_nan, r"_bold.nii.gz: 1 voxels of volume 4 hold NaN or infinity"),
    (empty_volume, r"_bold.nii.gz: volume 3 holds one value everywhere"),
    (sheared, r"_bold.nii.gz: the axes of its affine are not at right angles"),
]


@pytest.mark.parametrize(("fault", "message"), FAULTS, ids=[message for _, message in FAULTS])
def test_fault_is_one_line(root: Path, fault: Callable[[Path], None], message: str) -> None:
    fault(root)
    with pytest.raises(UserError, match=message) as raised:
        register_run(settings(), FIRST, receipt_of(root), NOWHERE)
    assert "\n" not in str(raised.value)


def test_a_cut_image_is_told_when_it_has_been_fetched(root: Path) -> None:
    check_subject(check_settings(world.dataset(), "01"), receipt_of(root))
    truncated(root)
    with pytest.raises(UserError, match=r"_bold.nii.gz: is truncated or damaged"):
        check_subject(check_settings(world.dataset(), "01"), receipt_of(root))


def test_without_antspyx_the_extra_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"head: .* run `pip install 'tristream\[raw\]'`") as raised:
        register_run(settings(), FIRST, receipt_of(root), NOWHERE)
    assert "\n" not in str(raised.value)


def test_registrations_that_lack_or_do_not_fit(root: Path, tmp_path: Path) -> None:
    receipt = receipt_of(root)
    receipt.write(tmp_path / "receipt.json")
    with pytest.raises(UserError, match="layout raw needs registrations"):
        prepare_run(
            bold_settings(world.dataset(), "01"),
            FIRST,
            tmp_path / "receipt.json",
            tmp_path / "x.h5",
        )
    from tristream.bold.registration.registration_file import write_normalisation

    write_normalisation(tmp_path / "n.h5", NOWHERE, False, {}, "")
    reference = nib.Nifti1Image(np.ones((6, 6, 6), np.float32), np.diag([4, 4, 4, 1]))
    motion = np.repeat(np.eye(4)[None], 11, axis=0)
    brain = np.ones((6, 6, 6), bool)
    paths = [tmp_path / "n.h5"]
    for run in world.RUNS:
        paths.append(tmp_path / f"{run}.h5")
        write_registration(
            paths[-1], Registration(run, reference, brain, motion, np.eye(4)), False, {}, ""
        )
    with pytest.raises(UserError, match=f"no registration of {SECOND} of sub-01"):
        prepare(world.dataset(), "01", FIRST, receipt, tuple(paths[:2]))
    with pytest.raises(UserError, match="has 12 volumes, but 11 were registered"):
        prepare(world.dataset(), "01", FIRST, receipt, tuple(paths))


@pytest.mark.parametrize("name", ["wm_csf", "compcor"])
def test_confounds_of_tissues_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="need tissue maps, which raw data lack"):
        world.dataset(confounds=["motion", name])


def test_a_study_may_take_the_raw_images_of_a_dataset_with_derivatives() -> None:
    home = REPOSITORY / "workflow/datasets"
    study = {"datasets": {"ds000105": {"layout": {"kind": "raw", "resolution": 3.5}}}}
    found = resolve(study, Path("config.yaml"), [home]).datasets["ds000105"]
    assert found.layout.kind == "raw"
    assert (
        resolve({"datasets": ["ds000105"]}, Path("c"), [home]).datasets["ds000105"].layout.kind
        != "raw"
    )
