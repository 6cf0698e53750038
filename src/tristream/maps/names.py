"""The derivative dataset that maps are exported as, and what its files are called.

BIDS 1.11 names label maps (``dseg``) but no statistical maps. Those take the names that nilearn and
FitLins write (``stat-r_statmap``), and ``.bidsignore`` says so to the validator.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from tristream import __version__
from tristream.store import atomic_path

IGNORED = ("*_statmap.*", "figures", "maps.json", "group")


@dataclass(frozen=True)
class Names:
    """File names of one subject's maps.

    Attributes
    ----------
    folder : Path
        ``sub-S`` or ``group`` in the derivative dataset.
    subject, task, model : str
        Labels; of all subjects together, `subject` is empty.
    space : str or None
        The template that the BOLD is in; None for the subject's own grid.
    """

    folder: Path
    subject: str
    task: str
    model: str
    space: str | None

    def volume(self, what: str, suffix: str = "statmap") -> Path:
        """NIfTI of a quantity: ``func/sub-S_task-T_space-X_desc-M_stat-W_statmap.nii.gz``."""
        return self.folder / "func" / f"{self._stem(self.space, what, suffix)}.nii.gz"

    def surface(self, what: str, hemisphere: str) -> Path:
        """GIfTI of a quantity on fsaverage5."""
        stem = self._stem("fsaverage5", what, "statmap")
        named = stem.replace(
            f"task-{self.task}_", f"task-{self.task}_hemi-{hemisphere[0].upper()}_"
        )
        return self.folder / "func" / f"{named}.shape.gii"

    def cifti(self, what: str, kind: str) -> Path:
        """CIFTI of a quantity on grayordinates; `kind` is ``dscalar`` or ``dlabel``."""
        return self.folder / "func" / f"{self._stem(self.space, what, 'statmap')}.{kind}.nii"

    def figure(self, what: str, view: str) -> Path:
        """PNG of a figure (SVG beside it)."""
        return self.folder / "figures" / f"{self._stem(None, what, view)}.png"

    def table(self, view: str) -> Path:
        """TSV of all values behind the figures of a view."""
        stem = "_".join([*self._whose, f"desc-{label(self.model)}", view])
        return self.folder / "figures" / f"{stem}.tsv"

    @property
    def _whose(self) -> list[str]:
        subject = [f"sub-{self.subject}"] if self.subject else []
        return [*subject, f"task-{self.task}"]

    def _stem(self, space: str | None, what: str, suffix: str) -> str:
        parts = self._whose
        if space:
            parts.append(f"space-{space}")
        if suffix == "dseg":
            parts.append(f"desc-{label(self.model)}{label(what).capitalize()}")
        else:
            parts += [f"desc-{label(self.model)}", f"stat-{label(what)}"]
        return "_".join([*parts, suffix])


def label(text: str) -> str:
    """`text` as a BIDS label: letters and digits only."""
    return re.sub(r"[^A-Za-z0-9]", "", text)


def describe_dataset(folder: Path, title: str, simulated: bool) -> None:
    """Write ``dataset_description.json``, ``README.md`` and ``.bidsignore`` of the derivative.

    All subjects of a model or contrast share them. Each subject's job writes the same bytes.
    Licence and citation of the data are the dataset's own: the report has them, and a corrected one
    redraws no map.
    """
    origin = "simulated BOLD: no measurement was made" if simulated else "measured BOLD"
    description = {
        "Name": title,
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "Simulated": simulated,
        "GeneratedBy": [{"Name": "tristream", "Version": __version__}],
    }
    files = {
        "dataset_description.json": json.dumps(description, indent=2),
        "README.md": (
            f"# {title}\n\nFrom {origin}. Written by tristream {__version__}. The report of the "
            "study says how to cite the data and under which licence they are."
        ),
        ".bidsignore": "\n".join(IGNORED),
    }
    for name, text in files.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
