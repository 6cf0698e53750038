"""Files of fMRIPrep's minimal outputs: one list for fetching and for reading."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from tristream.config.layouts import MinimalLayout
from tristream.errors import UserError
from tristream.fetch.other_names import as_listed, named

# A field's transform names it; T1w is where the coregistration leads in some versions.
FIELD = r"(?!T1w_)([A-Za-z0-9]+)"
ANATOMY = {
    "mask": "desc-brain_mask.nii.gz",
    "t1w": "desc-preproc_T1w.nii.gz",
    "GM": "label-GM_probseg.nii.gz",
    "WM": "label-WM_probseg.nii.gz",
    "CSF": "label-CSF_probseg.nii.gz",
    "to_template": "from-T1w_to-MNI152NLin2009cAsym_mode-image_xfm.h5",
}


@dataclass(frozen=True)
class MinimalRun:
    """Where the derivatives of a run lie, under the names that the dataset gives them.

    Attributes
    ----------
    motion, coregistration, reference : str
        Transforms and the volume that head motion refers to; the newest names where they lack.
    fields : dict of str to list of str
        Transform to a distortion field, and all files of that field.
    """

    motion: str
    coregistration: str
    reference: str
    fields: dict[str, list[str]]


def minimal_run(
    layout: MinimalLayout, subject: str, raw: str, there: Collection[str]
) -> MinimalRun:
    """Derivatives of a run.

    Parameters
    ----------
    layout : MinimalLayout
        Names the derivatives' folder.
    subject : str
        Label without ``sub-``.
    raw : str
        Where the run's raw files lie, without ``_bold.nii.gz`` and the like.
    there : collection of str
        All files of the dataset.
    """
    home = layout.derivatives.strip("/")
    start = f"{home}/{raw}"
    own = [path for path in there if path.startswith(f"{home}/sub-{subject}/")]
    transform = re.compile(
        named(f"{start}_from-boldref_to-FIELD_mode-image_xfm.txt").replace("FIELD", FIELD)
    )
    fields = {}
    for path in sorted(own):
        if found := transform.fullmatch(path):
            files = re.compile(
                rf"{re.escape(home)}/sub-{subject}/(ses-[A-Za-z0-9]+/)?fmap/[^/]*"
                rf"_fmapid-{found[1]}_[^/]*\.(nii|nii\.gz|json)"
            )
            fields[path] = sorted(filter(files.fullmatch, own))
    return MinimalRun(
        as_listed(f"{start}_from-orig_to-boldref_mode-image_desc-hmc_xfm.txt", own),
        as_listed(f"{start}_from-boldref_to-T1w_mode-image_desc-coreg_xfm.txt", own),
        as_listed(f"{start}_desc-hmc_boldref.nii.gz", own),
        fields,
    )


def minimal_anatomy(
    layout: MinimalLayout, subject: str, runs: Sequence[str], there: Collection[str]
) -> dict[str, str]:
    """The subject's anatomical derivatives by their part (:data:`ANATOMY`), those that are there.

    Parameters
    ----------
    layout, subject, there
        As of :func:`minimal_run`.
    runs : sequence of str
        Those that are read: of their session, if sessions have an anatomy of their own.

    Raises
    ------
    UserError
        If there are several of one part.
    """
    home = f"{layout.derivatives.strip('/')}/sub-{subject}"
    start = rf"{re.escape(home)}/(?:ses-[A-Za-z0-9]+/)?anat/sub-{subject}"
    entities = r"(?:_(?:ses|acq|ce|rec|run|echo|part)-[A-Za-z0-9]+)*_"
    sessions = {m[0] if (m := re.match(r"ses-[A-Za-z0-9]+", run)) else "" for run in runs}
    found: dict[str, str] = {}
    for part, ending in ANATOMY.items():
        name = re.compile(start + entities + named(ending))
        all_of_it = sorted(filter(name.fullmatch, there))
        if len(all_of_it) > 1 and len(sessions) == 1:
            here = f"{home}/{next(iter(sessions))}/"
            all_of_it = [path for path in all_of_it if path.startswith(here)] or all_of_it
        if len(all_of_it) > 1:
            raise UserError(
                f"{home}: holds several …_{ending} ({', '.join(all_of_it)}): sessions with an "
                "anatomy of their own lie in no common space; take the runs of one session "
                "(`runs:` of the dataset in config.yaml)"
            )
        if all_of_it:
            found[part] = all_of_it[0]
    return found
