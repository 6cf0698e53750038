"""The methods text, gathered from what the files of the study say of their making."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from tristream import __version__
from tristream.errors import UserError
from tristream.report.declared import Input
from tristream.report.paragraphs import Form, Told, paragraph
from tristream.report.references import bibtex, keys_of, library, listed, resolve
from tristream.report.study_results import Results
from tristream.store import provenance_at

# Headings, and the places whose files speak below each.
SECTIONS: Mapping[str, tuple[str, ...]] = {
    "Data": ("bold",),
    "Stimuli": ("leakage", "samples"),
    "Features": ("features", "fusion", "aligned"),
    "Encoding": ("encoding",),
    "Inference": ("inference", "comparison", "partition", "group"),
    "Decoding": ("decoding",),
    "Contrasts": ("contrast", "contrast_table"),
    "Maps": ("maps",),
    "Simulation": ("truth",),
}
# What several files of a place are called by, and what the files of one name differ in.
NAMES = {
    "features": ("space",),
    "fusion": ("fused",),
    "aligned": ("space",),
    "encoding": ("model",),
    "inference": ("model",),
    "comparison": ("first", "second"),
    "partition": ("model",),
    "group": ("model",),
    "decoding": ("decoder",),
    "contrast": ("contrast",),
    "contrast_table": ("contrast",),
    "maps": ("model",),
}
FORMS = {
    "bold": Form("", ("subject", "run")),
    "leakage": Form(),
    "samples": Form("", ("subject",)),
    "features": Form("space", ("layer",)),
    "fusion": Form("space"),
    "aligned": Form("space", ("timeline", "layer")),
    "encoding": Form("model", ("subject",)),
    "inference": Form("model", ("subject",)),
    "comparison": Form("comparison", ("subject",)),
    "partition": Form("model", ("subject",)),
    "group": Form("model"),
    "decoding": Form("decoder", ("subject",)),
    "contrast": Form("contrast", ("subject",)),
    "contrast_table": Form("contrast", ("subject",)),
    "maps": Form("model", ("subject",)),
    "truth": Form(),
}
COMPARED = (
    "Feature spaces were compared at the times of the volumes by linear centred kernel alignment "
    "[@kornblith2019]."
)
EMBEDDED = "Samples of features were drawn by t-SNE [@maaten2008]."


@dataclass
class Methods:
    """Paragraphs with their headings, and what they cite.

    Attributes
    ----------
    paragraphs : list of (str, str)
        Heading and text; citations are written as ``(Haxby et al. 2001)``.
    cited : list of str
        Keys of the cited entries.
    """

    paragraphs: list[tuple[str, str]] = field(default_factory=list)
    cited: list[str] = field(default_factory=list)

    def add(self, heading: str, parts: Sequence[str]) -> None:
        """Add a paragraph; nothing where no part says anything."""
        text = " ".join(part for part in parts if part)
        if text:
            self.cited += keys_of(text)
            self.paragraphs.append((heading, resolve(text)))

    @property
    def references(self) -> list[str]:
        """The cited entries, formatted, by first author."""
        return listed(self.cited)

    @property
    def bibtex(self) -> str:
        """A .bib file of the cited entries."""
        return bibtex(self.cited)


def gather(results: Results) -> Methods:
    """Methods of the whole study, dataset by dataset, from its files."""
    methods = Methods()
    for dataset in results.resolved.datasets:
        for heading, places in SECTIONS.items():
            own = [_data(results, dataset)] if heading == "Data" else []
            parts = [_of_place(results, dataset, place) for place in places]
            if heading == "Features" and any(parts):
                parts += _drawn(results, dataset)
            methods.add(f"{heading}: {dataset}", [*own, *parts])
    methods.add("Software", [_software(results)])
    return methods


def _of_place(results: Results, dataset: str, place: str) -> str:
    """What all files of one kind of a dataset say."""
    told = []
    for one, path in results.existing(place, dataset=dataset):
        provenance = provenance_at(path, one.kind)
        results.read(path, provenance)
        unknown = [k for s in provenance.methods for k in keys_of(s) if k not in library().entries]
        if unknown:
            raise UserError(
                f"{path}: its methods cite {unknown[0]!r}, which references.bib does not have: add "
                "the entry, or correct the key where the sentence is written and run again"
            )
        told.append(Told(_name(one), _member(one), provenance.methods))
    return paragraph(told, FORMS[place]) if told else ""


def _name(one: Input) -> str:
    return " with ".join(one[wildcard] for wildcard in NAMES.get(one.place, ()))


def _member(one: Input) -> tuple[str, ...]:
    return tuple(one[level] for level in FORMS[one.place].levels)


def _drawn(results: Results, dataset: str) -> list[str]:
    """What the report itself does with features."""
    aligned = {one["space"] for one, _ in results.existing("aligned", dataset=dataset)}
    return [COMPARED if len(aligned) > 1 else "", EMBEDDED]


def _data(results: Results, dataset: str) -> str:
    """What a dataset is: its title, who published it, its size."""
    descriptor = results.resolved.datasets[dataset]
    runs = [run for one in results.indices(dataset) for run in one.runs]
    subjects = len(results.indices(dataset))
    size = ""
    if runs:
        trs = ", ".join(f"{tr:g}" for tr in sorted({run.tr for run in runs}))
        size = (
            f": {subjects} subject{'s' * (subjects > 1)}, {len(runs)} run{'s' * (len(runs) > 1)}, "
            f"TR {trs} s"
        )
    keys = [key for doi, key in _by_doi().items() if doi in descriptor.citation.lower()]
    published = f" [@{'; @'.join(keys)}]" if keys else ""
    text = f"{_plain(descriptor.title)}{published}{size}."
    if results.simulated(dataset):
        return f"{text} The BOLD is simulated; no measurement was made."
    if descriptor.citation and not keys:
        text += f" Published as: {_plain(descriptor.citation)}"
    return text


def _plain(text: str) -> str:
    """A text of the user's own, whose brackets cite nothing."""
    return text.replace("[@", "[ @")


@cache
def _by_doi() -> dict[str, str]:
    entries = library().entries
    return {e.fields["doi"].lower(): key for key, e in entries.items() if "doi" in e.fields}


def _software(results: Results) -> str:
    """What made the study and brought its data, by the receipts."""
    parts = [f"tristream {__version__} under Snakemake [@molder2021]"]
    commits, archives = [], []
    for dataset in results.resolved.datasets:
        receipt = results.receipt(dataset)
        if receipt is None:
            continue
        source: Mapping[str, Any] = receipt.source
        if source.get("kind") == "datalad":
            commits.append(f"{dataset} at commit {receipt.commit[:12]}")
        if source.get("kind") == "archive":
            archives.append(f"{dataset} ({source.get('package')} {source.get('version')})")
    if commits:
        parts.append(f"data by DataLad [@halchenko2021]: {', '.join(commits)}")
    if archives:
        whence = "archives from the Python package index, checked by sha256"
        parts.append(f"{whence}: {', '.join(archives)}")
    return "; ".join(parts) + "."
