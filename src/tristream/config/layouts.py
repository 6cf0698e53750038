"""How a dataset's files are laid out, and so which reader gives its BOLD."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from tristream.config.base import Name, Section

Confound = Literal["motion", "high_pass", "wm_csf", "global_signal", "compcor", "scrub"]
CONFOUNDS: list[Confound] = ["motion", "high_pass"]
FSAVERAGE5, FSLR = "fsaverage5", "fsLR_den-91k"
SURFACES = (FSAVERAGE5, FSLR)
# That of each run, which names of files leave out.
OWN_SPACE = "func"
# Spaces that each subject has of its own.
SPACES_OF_ONE = (OWN_SPACE, "T1w", "native")


class FmriprepLayout(Section):
    """A BIDS dataset with whole fMRIPrep outputs: preprocessed BOLD, masks, confounds."""

    kind: Literal["fmriprep"] = "fmriprep"
    derivatives: str = Field(
        default="derivatives/fmriprep", description="folder of the outputs inside the dataset"
    )
    space: str = Field(
        default="MNI152NLin2009cAsym",
        pattern=r"^[A-Za-z0-9]+((_cohort|_res|_den)-[A-Za-z0-9]+)*$",
        description=(
            "space-<label> of the BOLD, with its resolution: `MNI152NLin2009cAsym_res-2`; surfaces "
            "are `fsaverage5` (GIfTI) and `fsLR_den-91k` (CIFTI); `func` is that of each run, "
            "whose files name no space"
        ),
    )
    padded_runs: bool = Field(
        default=True, description="false: the outputs write run-1 where the dataset has run-01"
    )
    confounds: list[Confound] = Field(
        default=CONFOUNDS, description="strategy of nilearn's load_confounds"
    )

    drop_nan: bool = Field(
        default=False, description="leave out voxels that are NaN in some run of the subject"
    )

    @field_validator("space")
    @classmethod
    def _known_surface(cls, value: str) -> str:
        if value.startswith("fs") and value not in SURFACES:
            raise ValueError(f"of the surfaces, {' and '.join(SURFACES)} can be read")
        return value

    @property
    def on_surface(self) -> bool:
        """Whether the BOLD lies on surfaces."""
        return self.space in SURFACES


class MinimalLayout(Section):
    """A BIDS dataset with fMRIPrep's minimal outputs: transforms, from which BOLD is resampled."""

    kind: Literal["fmriprep_minimal"] = "fmriprep_minimal"
    derivatives: str = Field(
        default="derivatives/fmriprep", description="folder of the outputs inside the dataset"
    )
    space: Literal["T1w", "MNI152NLin2009cAsym"] = Field(
        default="MNI152NLin2009cAsym", description="where the BOLD is resampled to"
    )
    resolution: float = Field(default=3.0, gt=0, description="edge of a voxel in mm")
    distortion: bool = Field(
        default=True, description="use the distortion field where there is one"
    )
    slice_timing: bool = Field(default=False, description="shift slices to the middle of the scan")
    confounds: list[Confound] = Field(
        default=CONFOUNDS, description="computed as fMRIPrep defines them, then projected out"
    )


class SpmLayout(Section):
    """BOLD that was preprocessed with SPM, and masks of regions.

    Paths are templates: ``{subject}``, ``{run}`` (all entities without the subject), ``{session}``
    (``ses-01``), and ``{roi}`` in `rois`.
    """

    kind: Literal["spm"] = "spm"
    bold: str = Field(description="path of a run's BOLD")
    rois: str = Field(default="", description="path of a region's mask, with {roi}")
    regions: dict[Name, list[str]] = Field(
        default={}, description="region to the masks whose union it is"
    )
    high_pass: float = Field(
        default=128.0, gt=0, description="slower periods than this are filtered out (s)"
    )


class RawLayout(Section):
    """A BIDS dataset without derivatives: motion correction and registration are done here.

    Neither distortion nor slice timing is corrected, and there are no tissue maps. It needs antspyx
    (``pip install 'tristream[raw]'``).
    """

    kind: Literal["raw"] = "raw"
    space: Literal["MNI152NLin2009aSym"] = Field(
        default="MNI152NLin2009aSym", description="nilearn's template, that runs are registered to"
    )
    resolution: float = Field(default=3.0, gt=0, description="edge of a voxel in mm")
    confounds: list[Confound] = Field(
        default=CONFOUNDS,
        description="computed as fMRIPrep defines them, then projected out; not wm_csf, compcor",
    )

    @field_validator("confounds")
    @classmethod
    def _without_tissues(cls, value: list[Confound]) -> list[Confound]:
        lacking = [name for name in value if name in ("wm_csf", "compcor")]
        if lacking:
            raise ValueError(
                f"{' and '.join(lacking)} need tissue maps, which raw data lack; take them out, "
                "or run fMRIPrep"
            )
        return value


class VolumeTableLayout(Section):
    """One 4-D image with one table row a volume: label and run number.

    `bold`, `mask` and `table` are file names inside the source. `rest` names the label of volumes
    without a stimulus.
    """

    kind: Literal["volume_table"] = "volume_table"
    bold: str = Field(description="the 4-D image")
    table: str = Field(description="the text table, one row a volume: label and run number")
    mask: str | None = Field(default=None, description="brain mask; default: nonzero voxels")
    rest: str = Field(default="rest", description="label of volumes without a stimulus")


class ScanLayout(Section):
    """One 4-D image of one continuous scan, and one table of its events, as in many examples.

    The scan is cut into as many runs of `volumes` as the descriptor lists, so that there is
    something to hold out. Each is cleaned by itself, and delays don't cross the cuts.
    """

    kind: Literal["scan"] = "scan"
    bold: str = Field(description="the 4-D image")
    events: str = Field(description="the table of events, one row an event, without a header")
    columns: list[str] = Field(
        default=["trial_type", "onset", "duration"],
        description="its columns in order, parted by blanks, `trial_type` and `onset` among them",
    )
    volumes: int = Field(gt=7, description="volumes a run")
    mask: str | None = Field(default=None, description="brain mask; default: all voxels that vary")
    regions: dict[Name, list[int]] = Field(
        default={}, description="region to the labels of the mask that it is made of"
    )
    header_tr: float | None = Field(
        default=None, gt=0, description="TR that the header wrongly states: only then is it ignored"
    )

    @field_validator("columns")
    @classmethod
    def _says_what_and_when(cls, value: list[str]) -> list[str]:
        lacking = [name for name in ("trial_type", "onset") if name not in value]
        if lacking:
            raise ValueError(f"no column {' and '.join(lacking)}")
        return value


class BetasLayout(Section):
    """Responses to single trials (betas) that were estimated before, and a table of the trials.

    They are taken as they are: nothing is cleaned, and no response function is assumed. Paths are
    templates: ``{subject}``, ``{run}`` (all entities without the subject), ``{session}``
    (``ses-01``). Rows of the table stand in the order of the trials of the file that they are in;
    its `run` and `session` are numbers or labels of the entities in the descriptor's `runs`.
    """

    kind: Literal["betas"] = "betas"
    responses: str = Field(
        description="trials x voxels: NIfTI (trials last), TSV, CSV, HDF5, .mat or .npy"
    )
    trials: str = Field(
        description="TSV or CSV, a row a trial, with what `events` names (by default `stimulus` "
        "and `label`); `duration` is that of films and sounds"
    )
    run: str = Field(default="run", description="column of the table: the run of a trial")
    session: str = Field(default="session", description="column of the table: its session")
    variable: str | None = Field(
        default=None,
        description="name of the array in HDF5 or .mat; default: `betasmd` or `modelmd` "
        "(GLMsingle), `betas`, or the only array",
    )
    trial_axis: Literal["first", "last"] | None = Field(
        default=None, description="axis of the trials; default: the one as long as the table"
    )
    mask: str | None = Field(
        default=None, description="image of the voxels; places them, where responses are flat"
    )
    voxel_order: Literal["C", "F"] | None = Field(
        default=None,
        description="how flat responses run through the mask: `C` as numpy and nilearn do (the "
        "default), `F` as MATLAB does; of .mat files it must be given",
    )
    drop_nan: bool = Field(
        default=False, description="leave out voxels that are NaN in some trials of the subject"
    )
    space: str = Field(
        default="native",
        pattern=r"^(native|T1w|MNI[A-Za-z0-9]+(_res-[A-Za-z0-9]+)?)$",
        description="space of the voxels: `native`, `T1w` or `MNI…`",
    )


Layout = Annotated[
    FmriprepLayout
    | MinimalLayout
    | SpmLayout
    | RawLayout
    | VolumeTableLayout
    | ScanLayout
    | BetasLayout,
    Field(discriminator="kind"),
]
