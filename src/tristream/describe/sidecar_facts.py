"""What sidecars, and headers where images are here, say of the time between volumes."""

import math
from collections import Counter
from dataclasses import dataclass

from tristream.describe.run_list import RunList
from tristream.errors import UserError
from tristream.errors.json_text import parse
from tristream.fetch.raw_sidecars import raw_sidecar
from tristream.fetch.receipt import Receipt


@dataclass(frozen=True)
class RepetitionTimes:
    """Seconds between volumes.

    Attributes
    ----------
    counts : Counter of float
        What how many runs of subjects state.
    by : str
        ``sidecars`` or ``headers``; empty if nothing states it.
    odd : dict of float to str
        To one run that states it.
    """

    counts: Counter[float]
    by: str
    odd: dict[float, str]

    @property
    def usual(self) -> float | None:
        """What most runs state."""
        return self.counts.most_common(1)[0][0] if self.counts else None


def repetition_times(listing: Receipt, runs: RunList) -> RepetitionTimes:
    """The repetition time of each run, from its sidecars, else from the header of its image."""
    counts: Counter[float] = Counter()
    odd: dict[float, str] = {}
    for subject, own in runs.of.items():
        for run in own:
            try:
                stated = raw_sidecar(subject, run, listing).get("RepetitionTime")
            except UserError:
                continue
            if isinstance(stated, int | float) and stated > 0:
                value = round(float(stated), 6)
                counts[value] += 1
                odd.setdefault(value, f"sub-{subject} {run}")
    if counts:
        return RepetitionTimes(counts, "sidecars", odd)
    stated_by_header = _of_a_header(listing)
    if stated_by_header is None:
        return RepetitionTimes(Counter(), "", {})
    return RepetitionTimes(Counter([stated_by_header]), "headers", {})


def _of_a_header(listing: Receipt) -> float | None:
    """What the header of the first image says whose content is here."""
    from tristream.bold.nifti import header_tr, open_image

    images = (p for p in sorted(listing.listed) if p.endswith(("_bold.nii", "_bold.nii.gz")))
    for path in images:
        try:
            tr = round(header_tr(open_image(listing.path(path), 4)), 6)
        except UserError:
            continue
        return tr if 0 < tr < math.inf else None
    return None


def about(listing: Receipt) -> dict[str, object]:
    """The dataset's own description; empty if it has none that can be read."""
    try:
        text = listing.path("dataset_description.json").read_text(encoding="utf-8-sig")
        found = parse(text)
    except (UserError, OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
