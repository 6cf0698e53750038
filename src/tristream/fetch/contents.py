"""What a dataset states about itself, and which of its files one subject needs."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from tristream.config.layouts import (
    FSAVERAGE5,
    FSLR,
    OWN_SPACE,
    BetasLayout,
    FmriprepLayout,
    Layout,
    MinimalLayout,
    RawLayout,
    ScanLayout,
    SpmLayout,
    VolumeTableLayout,
)
from tristream.config.runs import whole_run
from tristream.errors import UserError
from tristream.errors.json_text import read_object
from tristream.fetch.absent_content import absent_content
from tristream.fetch.minimal_files import minimal_anatomy, minimal_run
from tristream.fetch.other_names import as_listed, similar
from tristream.paths import resolve_inside

DESCRIPTION = "dataset_description.json"


@dataclass(frozen=True)
class RunFiles:
    """Where the files of one run lie, relative to the dataset's root.

    Attributes
    ----------
    bold, confounds, events : str
        Preprocessed BOLD, confounds table, and the raw dataset's events.
    mask : str or None
        Brain mask of a volume.
    right : str or None
        BOLD of the right hemisphere, where `bold` is that of the left.
    """

    bold: str
    confounds: str
    events: str
    mask: str | None = None
    right: str | None = None

    @property
    def sidecar(self) -> str:
        """The JSON beside `bold`."""
        return re.sub(r"(\.func|\.dtseries)?\.(gii|nii\.gz|nii)$", ".json", self.bold)

    def as_listed(self, there: Collection[str]) -> "RunFiles":
        """The same files under the names that a dataset gives them."""
        bold = as_listed(self.bold, there)
        # A mask has the resolution of its image.
        mask = re.sub(r"_desc-preproc_bold\.nii(\.gz)?$", "_desc-brain_mask.nii.gz", bold)
        return RunFiles(
            bold,
            as_listed(self.confounds, there),
            self.events,
            mask=as_listed(mask, there) if self.mask else None,
            right=as_listed(self.right, there) if self.right else None,
        )


def run_files(layout: FmriprepLayout, subject: str, run: str) -> RunFiles:
    """BIDS and fMRIPrep names of the files of a run.

    Parameters
    ----------
    layout : FmriprepLayout
        Derivatives folder and space.
    subject : str
        Label without ``sub-``.
    run : str
        BIDS entities without the subject, ``task-training_run-01``; a session comes first,
        ``ses-1_task-rest``.
    """
    run = whole_run(run)
    session = re.match(r"ses-[A-Za-z0-9]+", run)
    middle = f"{session.group()}/func" if session else "func"
    folder = f"sub-{subject}/{middle}"
    raw = f"{folder}/sub-{subject}_{run}"
    written = run if layout.padded_runs else re.sub(r"run-0+(?=\d)", "run-", run)
    made = f"{layout.derivatives.strip('/')}/{folder}/sub-{subject}_{written}"
    tables = (f"{made}_desc-confounds_timeseries.tsv", f"{raw}_events.tsv")
    if layout.space == FSAVERAGE5:
        left, right = (f"{made}_hemi-{h}_space-{layout.space}_bold.func.gii" for h in "LR")
        return RunFiles(left, *tables, right=right)
    if layout.space == FSLR:
        return RunFiles(f"{made}_space-{layout.space}_bold.dtseries.nii", *tables)
    made = f"{made}{'' if layout.space == OWN_SPACE else f'_space-{layout.space}'}_desc"
    return RunFiles(f"{made}-preproc_bold.nii.gz", *tables, mask=f"{made}-brain_mask.nii.gz")


class SubjectRuns(Protocol):
    """The runs of one subject of a dataset, and how its files are laid out."""

    @property
    def dataset(self) -> str:
        """Dataset id."""

    @property
    def subject(self) -> str:
        """Label without ``sub-``."""

    @property
    def layout(self) -> Layout:
        """How files are laid out."""

    @property
    def runs(self) -> list[str]:
        """Runs that the subject has."""

    @property
    def with_events(self) -> bool:
        """Whether runs have events files."""


def subject_files(about: SubjectRuns, listed: Iterable[str]) -> list[str]:
    """Files that the analysis of a subject reads, in a fixed order.

    Parameters
    ----------
    about : SubjectRuns
        Settings that name the dataset, the subject, its runs and the layout.
    listed : iterable of str
        All files of the dataset.

    Raises
    ------
    UserError
        If the dataset lacks one of them; says which and what to do.
    """
    there = set(listed)
    layout = about.layout
    if isinstance(layout, MinimalLayout):
        return _minimal_files(about, layout, there)
    if isinstance(layout, SpmLayout):
        return _spm_files(about, layout, there)
    if isinstance(layout, RawLayout):
        return _raw_files(about, there)
    if isinstance(layout, BetasLayout):
        return _betas_files(about, layout, there)
    if isinstance(layout, VolumeTableLayout | ScanLayout):
        table = layout.events if isinstance(layout, ScanLayout) else layout.table
        wanted = [layout.bold, table, *([layout.mask] if layout.mask else [])]
        for path in wanted:
            if path not in there:
                raise UserError(
                    f"{about.dataset}: has no file {path}; fix `layout` in the descriptor, or add "
                    "the file to the source's `members`"
                )
        return [*wanted, *_if_there([DESCRIPTION], there)]
    wanted = _if_there([DESCRIPTION, f"{layout.derivatives.strip('/')}/{DESCRIPTION}"], there)
    for run in about.runs:
        wanted += _of_run(about, layout, run, there)
    return list(dict.fromkeys(wanted))


def raw_run(subject: str, run: str) -> str:
    """Where a run's raw files lie, without ``_bold.nii.gz`` and the like."""
    run = whole_run(run)
    session = re.match(r"ses-[A-Za-z0-9]+", run)
    middle = f"{session.group()}/func" if session else "func"
    return f"sub-{subject}/{middle}/sub-{subject}_{run}"


def _raw_files(about: SubjectRuns, there: set[str]) -> list[str]:
    """The raw BOLD of every run with its events and sidecars, and the T1w image."""
    wanted = _if_there([DESCRIPTION], there)
    for run in about.runs:
        wanted += _raw_of_run(about, run, there)
    anatomy = re.compile(rf"sub-{about.subject}/(ses-[A-Za-z0-9]+/)?anat/[^/]*_T1w\.nii(\.gz)?")
    return list(dict.fromkeys([*wanted, *sorted(p for p in there if anatomy.fullmatch(p))]))


def _raw_of_run(about: SubjectRuns, run: str, there: set[str]) -> list[str]:
    start = raw_run(about.subject, run)
    images = _if_there([f"{start}_bold.nii.gz", f"{start}_bold.nii"], there)
    events = inherited(f"{start}_events.tsv", there)
    if not images or (about.with_events and not events):
        lacks = f"{start}_events.tsv" if images else f"{start}_bold.nii.gz"
        raise _absent(about, run, lacks, there)
    return [images[0], *events, *inherited(f"{start}_bold.json", there)]


def _minimal_files(about: SubjectRuns, layout: MinimalLayout, there: set[str]) -> list[str]:
    """Raw BOLD with the transforms that fMRIPrep's minimal outputs hold for it.

    Of each run: head motion, coregistration, its reference, and the distortion field that its
    transform names; of the subject: T1w, masks, tissue maps and the transform to the template.
    """
    home = layout.derivatives.strip("/")
    wanted = _if_there([DESCRIPTION, f"{home}/{DESCRIPTION}"], there)
    for run in about.runs:
        wanted += _raw_of_run(about, run, there)
        files = minimal_run(layout, about.subject, raw_run(about.subject, run), there)
        needed = [files.motion, files.coregistration, files.reference]
        for path in needed:
            if path not in there:
                raise _absent(about, run, path, there)
        wanted += needed
        for transform, field in files.fields.items():
            wanted += [transform, *field]
    wanted += sorted(minimal_anatomy(layout, about.subject, about.runs, there).values())
    return list(dict.fromkeys(wanted))


def _spm_files(about: SubjectRuns, layout: SpmLayout, there: set[str]) -> list[str]:
    """BOLD that SPM preprocessed, with the raw dataset's events and sidecars, and region masks."""
    wanted = _if_there([DESCRIPTION], there)
    for run in about.runs:
        bold = filled_path(layout.bold, about.subject, run)
        events = inherited(f"{raw_run(about.subject, run)}_events.tsv", there)
        if bold not in there or (about.with_events and not events):
            lacks = f"{raw_run(about.subject, run)}_events.tsv" if bold in there else bold
            raise _absent(about, run, lacks, there)
        wanted += [bold, *events, *inherited(f"{raw_run(about.subject, run)}_bold.json", there)]
    masks = {mask for union in layout.regions.values() for mask in union}
    wanted += _if_there(
        [filled_path(layout.rois, about.subject, "").format(roi=mask) for mask in sorted(masks)],
        there,
    )
    return list(dict.fromkeys(wanted))


def _betas_files(about: SubjectRuns, layout: BetasLayout, there: set[str]) -> list[str]:
    """Responses to trials, the tables of trials, and the mask."""
    templates = [layout.responses, layout.trials, *([layout.mask] if layout.mask else [])]
    wanted = _if_there([DESCRIPTION], there)
    for template in templates:
        for run in about.runs:
            path = filled_path(template, about.subject, run)
            if path not in there:
                raise _absent(about, run, path, there)
            wanted.append(path)
    return list(dict.fromkeys(wanted))


def filled_path(template: str, subject: str, run: str) -> str:
    """A path of an :class:`SpmLayout` (``{roi}`` stays) or a :class:`BetasLayout`."""
    run = whole_run(run)
    session = re.match(r"ses-[A-Za-z0-9]+", run)
    filled = {"{subject}": subject, "{run}": run, "{session}": session.group() if session else ""}
    for field, value in filled.items():
        template = template.replace(field, value)
    return template


def _of_run(about: SubjectRuns, layout: FmriprepLayout, run: str, there: set[str]) -> list[str]:
    files = run_files(layout, about.subject, run).as_listed(there)
    needed = [path for path in (files.bold, files.right, files.mask) if path]
    needed += [files.confounds] if layout.confounds else []
    for path in needed:
        if path not in there:
            raise _absent(about, run, path, there)
    events = inherited(files.events, there)
    if about.with_events and not events:
        raise _absent(about, run, files.events, there)
    raw_json = files.events.replace("_events.tsv", "_bold.json")
    beside = [re.sub(r"\.tsv$", ".json", files.confounds)]
    beside += sidecars(files, there)[:1]
    return [*needed, *events, *inherited(raw_json, there), *_if_there(beside, there)]


def sidecars(files: RunFiles, listed: Iterable[str]) -> list[str]:
    """Sidecars that hold for a run's BOLD: its own, then those of the same run in a volume.

    fMRIPrep resamples to surfaces what it has in volumes, whose timing is the same, and not every
    version of it says so beside the surfaces.
    """
    start = re.escape(re.sub(r"_desc-confounds_[a-z]+\.tsv$", "", files.confounds))
    volume = re.compile(
        start + r"(_space-[A-Za-z0-9]+(_res-[A-Za-z0-9]+)?)?_desc-preproc_bold\.json"
    )
    there = set(listed)
    others = sorted(filter(volume.fullmatch, there)) if files.mask is None else []
    return list(dict.fromkeys([*_if_there([files.sidecar], there), *others]))


def inherited(path: str, listed: Iterable[str]) -> list[str]:
    """Files that apply to `path` by the BIDS inheritance principle, the most general first.

    A file applies if it lies in the same folder or one above, has the same suffix and extension,
    and no entity that `path` does not have.
    """
    target = PurePosixPath(path)
    folders = {"", *(folder.as_posix() for folder in target.parents)}
    *entities, ending = target.name.split("_")
    applies = []
    for other in listed:
        folder, _, name = other.rpartition("/")
        if folder in folders and name.endswith(ending):
            *own, suffix = name.split("_")
            if suffix == ending and set(own) <= set(entities):
                applies.append(other)
    return sorted(applies, key=lambda other: (other.count("/"), len(other)))


def description(root: Path, listed: Iterable[str]) -> dict[str, Any]:
    """The dataset's own dataset_description.json; empty if it has none."""
    if DESCRIPTION not in set(listed):
        return {}
    path = resolve_inside(root, DESCRIPTION)
    if why := absent_content(root / DESCRIPTION):
        raise UserError(f"{root / DESCRIPTION}: its content is not present: {why}")
    return read_object(path, "can't be read as JSON", "fix it")


def _if_there(paths: list[str], there: set[str]) -> list[str]:
    return [path for path in paths if path in there]


def _absent(about: SubjectRuns, run: str, path: str, there: set[str]) -> UserError:
    for link in map(str, PurePosixPath(path).parents):
        if link in there:
            return UserError(
                f"{about.dataset}: has no file {path}: {link} is a link to a folder, which is not "
                "followed; put the folder itself there, or name in `source` where it lies"
            )
    return UserError(
        f"{about.dataset}: has no file {path}{similar(path, there)}; if sub-{about.subject} lacks "
        f"this run, put {run} under `missing: {{'{about.subject}': [...]}}` in the descriptor, "
        "else fix `layout` or `runs`"
    )
