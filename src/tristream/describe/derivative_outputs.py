"""What was preprocessed of a dataset, and so which layout its descriptor has."""

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from tristream.config.layouts import SURFACES
from tristream.describe.run_list import RunList

WHOLE = re.compile(
    r"(?P<home>(?:[^/]+/)*?)sub-(?P<subject>[A-Za-z0-9]+)/(?:ses-[A-Za-z0-9]+/)?func/"
    r"sub-(?P=subject)_(?P<run>(?:(?!space-|hemi-|desc-)[^/])+?)_(?:hemi-L_)?"
    r"(?:space-(?P<space>[A-Za-z0-9]+(?:_(?:cohort|res|den)-[A-Za-z0-9]+)*)_)?(?:hemi-L_)?"
    r"(?:desc-preproc_bold\.nii(?:\.gz)?|bold\.dtseries\.nii|bold\.func\.gii)"
)
MINIMAL = re.compile(
    r"(?P<home>(?:[^/]+/)*?)sub-(?P<subject>[A-Za-z0-9]+)/(?:ses-[A-Za-z0-9]+/)?func/"
    r"sub-(?P=subject)_(?P<run>[^/]+)_from-orig_to-boldref_mode-image_(?:desc-hmc_)?xfm\.txt"
)
MASK = re.compile(r"(?:^|/)sub-(?P<subject>[A-Za-z0-9]+)_mask_(?P<roi>[A-Za-z0-9_]+)\.nii(?:\.gz)?")
SIDE = re.compile(r"^(LH|RH|L|R|lh|rh)_|_(LH|RH|L|R|lh|rh)$")
# The likelier wanted one first; surfaces are read, too, but not proposed where there is a volume.
SPACES = ("MNI152NLin2009cAsym", "MNI152NLin6Asym", "MNI152", "T1w", "fsaverage5", "fsLR_den-91k")


@dataclass(frozen=True)
class Outputs:
    """What was preprocessed.

    Attributes
    ----------
    kind : str
        Kind of the layout that reads it.
    home : str
        Folder in the dataset; empty for raw data, and for templates.
    space : str
        The proposed space, with its resolution.
    spaces : dict of str to int
        All spaces, and for how many runs of subjects they are there.
    padded : bool
        Whether outputs number their runs as the raw data do.
    bold, rois : str
        Templates of an SPM layout.
    regions : dict of str to list of str
        Region to its masks.
    lacking : dict of str to list of str
        Subject to the runs that were not preprocessed.
    """

    kind: str
    home: str = ""
    space: str = ""
    spaces: dict[str, int] = field(default_factory=dict)
    padded: bool = True
    bold: str = ""
    rois: str = ""
    regions: dict[str, list[str]] = field(default_factory=dict)
    lacking: dict[str, list[str]] = field(default_factory=dict)


def find_outputs(listed: Collection[str], runs: RunList) -> Outputs:
    """The outputs that cover most runs; raw data if there are none."""
    found = _whole(listed, runs) or _minimal(listed, runs) or _templated(listed, runs)
    return found or Outputs("raw")


def _whole(listed: Collection[str], runs: RunList) -> Outputs | None:
    matches = [m for path in listed if (m := WHOLE.fullmatch(path)) and m["home"]]
    if not matches:
        return None
    home = Counter(m["home"] for m in matches).most_common(1)[0][0]
    matches = [m for m in matches if m["home"] == home]
    spaces = Counter(m["space"] for m in matches if m["space"] and _readable(m["space"]))
    if not spaces:
        return None
    most = max(spaces.values())
    complete = [space for space, count in spaces.items() if count == most]
    space = min(complete, key=lambda name: (_preference(name), len(name)))
    own = {(m["subject"], m["run"]) for m in matches if m["space"] == space}
    padded = any(run in {run for _, run in own} for run in runs.runs)
    lacking = _lacking(own, runs, padded)
    return Outputs("fmriprep", home.strip("/"), space, dict(spaces), padded, lacking=lacking)


def _readable(space: str) -> bool:
    return not space.startswith("fs") or space in SURFACES


def _preference(space: str) -> int:
    return next((n for n, known in enumerate(SPACES) if space.startswith(known)), len(SPACES))


def unpadded(run: str) -> str:
    """The run as outputs write it that number it without zeros."""
    return re.sub(r"run-0+(?=\d)", "run-", run)


def _lacking(made: set[tuple[str, str]], runs: RunList, padded: bool) -> dict[str, list[str]]:
    lacks = {
        subject: [r for r in own if (subject, r if padded else unpadded(r)) not in made]
        for subject, own in runs.of.items()
    }
    return {subject: own for subject, own in lacks.items() if own}


def _minimal(listed: Collection[str], runs: RunList) -> Outputs | None:
    matches = [m for path in listed if (m := MINIMAL.fullmatch(path)) and m["home"]]
    if not matches:
        return None
    home = Counter(m["home"] for m in matches).most_common(1)[0][0]
    made = {(m["subject"], m["run"]) for m in matches if m["home"] == home}
    lacking = _lacking(made, runs, True)
    return Outputs("fmriprep_minimal", home.strip("/"), "MNI152NLin2009cAsym", lacking=lacking)


def _templated(listed: Collection[str], runs: RunList) -> Outputs | None:
    """Images of another program, whose names hold those of the runs."""
    wanted = {f"sub-{s}_{run}": (s, run) for s, own in runs.of.items() for run in own}
    images = [p for p in listed if p.endswith((".nii", ".nii.gz")) and not p.startswith("sub-")]
    counts: Counter[str] = Counter()
    covered: dict[str, set[tuple[str, str]]] = {}
    for path in images:
        name = re.sub(r"^.*/", "", path)
        stem = re.match(r"(sub-[A-Za-z0-9]+(?:_[a-z]+-[A-Za-z0-9]+)+)_", name)
        who = wanted.get(stem[1]) if stem else None
        if who is None:
            continue
        template = path.replace(f"sub-{who[0]}_{who[1]}", "sub-{subject}_{run}")
        template = template.replace(f"sub-{who[0]}/", "sub-{subject}/")
        if session := re.match(r"ses-[A-Za-z0-9]+", who[1]):
            template = template.replace(f"{session[0]}/", "{session}/")
        counts[template] += 1
        covered.setdefault(template, set()).add(who)
    preprocessed = [t for t in counts if re.search(r"bold|preproc|filtered|func", t)]
    if not preprocessed:
        return None
    bold = max(preprocessed, key=lambda template: counts[template])
    rois, regions = _regions(listed)
    lacking = _lacking(covered[bold], runs, True)
    return Outputs("spm", bold=bold, rois=rois, regions=regions, lacking=lacking)


def _regions(listed: Collection[str]) -> tuple[str, dict[str, list[str]]]:
    """The template of masks of regions, and the unions of both hemispheres' masks."""
    matches = [(path, m) for path in sorted(listed) if (m := MASK.search(path))]
    if not matches:
        return "", {}
    path, first = matches[0]
    template = path.replace(f"sub-{first['subject']}", "sub-{subject}")
    template = template.replace(f"_mask_{first['roi']}.", "_mask_{roi}.")
    regions: dict[str, list[str]] = {}
    for roi in dict.fromkeys(m["roi"] for _, m in matches):
        name = SIDE.sub("", roi)
        name = name if re.match(r"[A-Za-z]", name) else f"roi_{name}"
        regions.setdefault(name, []).append(roi)
    return template, regions
