"""The files of fMRIPrep's minimal outputs that one run needs."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tristream.bold.raw_inputs import needed, raw_bold, raw_sidecar
from tristream.config.layouts import MinimalLayout
from tristream.config.settings.bold import ReadSettings
from tristream.errors import UserError
from tristream.fetch.contents import raw_run
from tristream.fetch.receipt import Receipt

TEMPLATE = "MNI152NLin2009cAsym"


@dataclass(frozen=True)
class RunInputs:
    """Files of one run.

    Attributes
    ----------
    bold : Path
        Raw BOLD.
    motion, coregistration : Path
        ``desc-hmc`` and ``desc-coreg`` transforms.
    reference : Path
        ``desc-hmc_boldref``, the volume that head motion refers to.
    to_fieldmap : Path or None
        ``from-boldref_to-auto…``; None where no field was estimated, or none is wanted.
    coefficients : tuple of Path
        Of the distortion field.
    sidecar : dict
        What all sidecars that apply to the raw BOLD say.
    """

    bold: Path
    motion: Path
    coregistration: Path
    reference: Path
    to_fieldmap: Path | None
    coefficients: tuple[Path, ...]
    sidecar: dict[str, Any]


@dataclass(frozen=True)
class Anatomy:
    """Files of the subject; `tissues` in the order GM, WM, CSF."""

    brain_mask: Path
    to_template: Path | None
    tissues: tuple[Path, ...]


def find_run(settings: ReadSettings, run: str, receipt: Receipt) -> RunInputs:
    """Files of a run.

    Raises
    ------
    UserError
        If one of them is not in the receipt, or the run has two distortion fields.
    """
    layout, dataset, subject = settings.layout, settings.dataset, settings.subject
    assert isinstance(layout, MinimalLayout)
    listed = {file.path for file in receipt.files}
    raw = raw_run(subject, run)
    made = f"{layout.derivatives.strip('/')}/{raw}"

    def found(path: str, what: str) -> Path:
        return needed(dataset, subject, run, receipt, path, what)

    field, coefficients = _field(made, listed, receipt) if layout.distortion else (None, ())
    return RunInputs(
        raw_bold(dataset, subject, run, receipt),
        found(f"{made}_from-orig_to-boldref_mode-image_desc-hmc_xfm.txt", "head motion"),
        found(f"{made}_from-boldref_to-T1w_mode-image_desc-coreg_xfm.txt", "the coregistration"),
        found(f"{made}_desc-hmc_boldref.nii.gz", "the reference volume"),
        field,
        coefficients,
        raw_sidecar(subject, run, receipt),
    )


def _field(made: str, listed: set[str], receipt: Receipt) -> tuple[Path | None, tuple[Path, ...]]:
    """Transform to the fieldmap and its coefficients, joined by the id in the file names.

    The JSON beside a fieldmap may spell the id in another way (``auto_00000``).
    """
    name = re.compile(re.escape(made) + r"_from-boldref_to-(auto\d+)_mode-image_xfm\.txt")
    found = sorted(filter(name.fullmatch, listed))
    if not found:
        return None, ()
    if len(found) > 1:
        raise UserError(
            f"{receipt.root}: {len(found)} distortion fields for one run ({', '.join(found)}); "
            "fetch again, or set layout.distortion: false"
        )
    label = re.sub(name, r"\1", found[0])
    subject = made.split("/func/")[0]
    subject = re.sub(r"/ses-[A-Za-z0-9]+$", "", subject)
    coefficients = re.compile(
        rf"{re.escape(subject)}/(ses-[A-Za-z0-9]+/)?fmap/[^/]*_fmapid-{label}_"
        r"desc-coeff\d*_fieldmap\.nii\.gz"
    )
    levels = sorted(filter(coefficients.fullmatch, listed))
    if not levels:
        raise UserError(
            f"{receipt.path(found[0])}: there are no coefficients of the field {label}; fetch "
            "again, or set layout.distortion: false"
        )
    return receipt.path(found[0]), tuple(receipt.path(path) for path in levels)


def find_anatomy(settings: ReadSettings, receipt: Receipt) -> Anatomy:
    """Brain mask, transform to the template (if wanted) and tissue maps (if there) of a subject.

    Raises
    ------
    UserError
        If mask or transform are missing.
    """
    layout, subject = settings.layout, settings.subject
    assert isinstance(layout, MinimalLayout)
    home = f"{layout.derivatives.strip('/')}/sub-{subject}"
    start = rf"{re.escape(home)}/(ses-[A-Za-z0-9]+/)?anat/sub-{subject}(_ses-[A-Za-z0-9]+)?"

    def look(ending: str) -> Path | None:
        name = re.compile(f"{start}_{re.escape(ending)}")
        found = sorted(file.path for file in receipt.files if name.fullmatch(file.path))
        return receipt.path(found[0]) if found else None

    def required(ending: str, what: str) -> Path:
        found = look(ending)
        if found is None:
            raise UserError(
                f"{receipt.root}: {what} of sub-{subject} is missing ({home}/…_{ending}); fetch "
                "again, or fix layout.derivatives"
            )
        return found

    tissues = [look(f"label-{name}_probseg.nii.gz") for name in ("GM", "WM", "CSF")]
    to_template = None
    if layout.space == TEMPLATE:
        to_template = required(f"from-T1w_to-{TEMPLATE}_mode-image_xfm.h5", "the normalisation")
    return Anatomy(
        required("desc-brain_mask.nii.gz", "the brain mask"),
        to_template,
        tuple(path for path in tissues if path is not None),
    )
