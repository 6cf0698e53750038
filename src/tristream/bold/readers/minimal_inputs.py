"""The files of fMRIPrep's minimal outputs that one run needs."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tristream.bold.raw_inputs import needed, raw_bold
from tristream.config.layouts import MinimalLayout
from tristream.config.settings.bold import ReadSettings
from tristream.errors import UserError
from tristream.fetch.contents import raw_run
from tristream.fetch.minimal_files import ANATOMY, MinimalRun, minimal_anatomy, minimal_run
from tristream.fetch.raw_sidecars import raw_sidecar
from tristream.fetch.receipt import Receipt

TEMPLATE = "MNI152NLin2009cAsym"
COEFFICIENTS = re.compile(r"_desc-coeff\d*_fieldmap\.nii(\.gz)?$")


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
    raw = raw_run(subject, run)
    files = minimal_run(layout, subject, raw, receipt.listed)

    def found(path: str, what: str) -> Path:
        return needed(dataset, subject, run, receipt, path, what)

    field, coefficients = _field(files, receipt) if layout.distortion else (None, ())
    return RunInputs(
        raw_bold(dataset, subject, run, receipt),
        found(files.motion, "head motion"),
        found(files.coregistration, "the coregistration"),
        found(files.reference, "the reference volume"),
        field,
        coefficients,
        raw_sidecar(subject, run, receipt),
    )


def _field(files: MinimalRun, receipt: Receipt) -> tuple[Path | None, tuple[Path, ...]]:
    """Transform to the fieldmap and its coefficients, joined by the id in the file names.

    The JSON beside a fieldmap may spell the id in another way (``auto_00000``).
    """
    if not files.fields:
        return None, ()
    if len(files.fields) > 1:
        raise UserError(
            f"{receipt.root}: {len(files.fields)} distortion fields for one run "
            f"({', '.join(files.fields)}); fetch again, or set layout.distortion: false"
        )
    ((transform, field),) = files.fields.items()
    levels = [path for path in field if COEFFICIENTS.search(path)]
    if not levels:
        name = transform.partition("_from-boldref_to-")[2].partition("_")[0]
        raise UserError(
            f"{receipt.path(transform)}: there are no coefficients of the field {name}; fetch "
            "again, or set layout.distortion: false"
        )
    return receipt.path(transform), tuple(receipt.path(path) for path in levels)


def find_anatomy(settings: ReadSettings, receipt: Receipt) -> Anatomy:
    """Brain mask, transform to the template (if wanted) and tissue maps (if there) of a subject.

    Raises
    ------
    UserError
        If mask or transform are missing.
    """
    layout, subject = settings.layout, settings.subject
    assert isinstance(layout, MinimalLayout)
    there = minimal_anatomy(layout, subject, settings.runs, receipt.listed)

    def required(part: str, what: str) -> Path:
        if part not in there:
            home = f"{layout.derivatives.strip('/')}/sub-{subject}"
            raise UserError(
                f"{receipt.root}: {what} of sub-{subject} is missing ({home}/…_{ANATOMY[part]}); "
                "fetch again, or fix layout.derivatives"
            )
        return receipt.path(there[part])

    normalised = layout.space == TEMPLATE
    return Anatomy(
        required("mask", "the brain mask"),
        required("to_template", "the normalisation") if normalised else None,
        tuple(receipt.path(there[name]) for name in ("GM", "WM", "CSF") if name in there),
    )
