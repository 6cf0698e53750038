"""The methods text, gathered from what the files of the study say of their making."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tristream import __version__
from tristream.errors import UserError
from tristream.report.declared import Input
from tristream.report.paragraphs import Form, Told, paragraph
from tristream.report.references import bibtex, keys_of, library, listed, resolve
from tristream.report.study_results import Results
from tristream.store import provenance_at

# Headings, and the places whose files speak below each.
SECTIONS: Mapping[str, tuple[str, ...]] = {
    "Simulation": ("truth",),
    "Data": ("receipt", "bold"),
    "Stimuli": ("stimuli_receipt", "inventory", "splits", "leakage", "samples"),
    "Features": ("weights", "features", "fusion", "aligned"),
    "Encoding": ("encoding",),
    "Inference": (
        "inference",
        "comparison",
        "partition",
        "partition_test",
        "region_table",
        "cluster_table",
        "intersubject",
        "group",
        "group_comparison",
        "group_partition",
    ),
    "Decoding": (
        "decoding",
        "across_subjects",
        "searchlight",
        "region_profile",
        "time_profile",
        "group_decoding",
        "identification",
        "network_regimes",
        "mass_univariate",
    ),
    "Representational similarity": ("dissimilarities", "rsa"),
    "Contrasts": ("contrast", "contrast_table", "group_contrast"),
    "Maps": ("maps", "contrast_maps"),
}


@dataclass(frozen=True)
class Place:
    """How the files of a place are named and called.

    Attributes
    ----------
    names : tuple of str
        Wildcards that name a model, a feature space …
    form : Form
        What that is called, and in what the files of one name differ.
    """

    names: tuple[str, ...]
    form: Form


def _by(noun: str, *levels: str, names: tuple[str, ...] = ()) -> Place:
    return Place(names or ((noun,) if noun else ()), Form(noun, levels))


PLACES = {
    "receipt": _by("", "subject"),
    "bold": _by("", "subject", "run"),
    "stimuli_receipt": _by(""),
    "inventory": _by(""),
    "splits": _by(""),
    "leakage": _by(""),
    "samples": _by("", "subject"),
    "weights": _by("space"),
    "features": _by("space", "layer"),
    "fusion": _by("space", names=("fused",)),
    "aligned": _by("space", "timeline", "layer"),
    "encoding": _by("model", "subject"),
    "inference": _by("model", "subject"),
    "comparison": _by("comparison", "subject", names=("first", "second")),
    "partition": _by("model", "subject"),
    "partition_test": _by("model", "subject"),
    "region_table": _by("model", "subject"),
    "cluster_table": _by("model", "subject"),
    "intersubject": _by(""),
    "group": _by("model"),
    "group_comparison": _by("comparison", names=("first", "second")),
    "group_partition": _by("model", "band"),
    "decoding": _by("decoder", "subject"),
    "searchlight": _by("decoder", "subject"),
    "region_profile": _by("decoder", "subject"),
    "time_profile": _by("decoder", "subject"),
    "group_decoding": _by("decoder"),
    "across_subjects": _by("decoder"),
    "identification": _by("identification", "subject"),
    "network_regimes": _by("network", "subject"),
    "mass_univariate": _by("comparison", "subject", names=("pair",)),
    "dissimilarities": _by("analysis", "subject", names=("rsa",)),
    "rsa": _by("analysis", names=("rsa",)),
    "contrast": _by("contrast", "subject"),
    "contrast_table": _by("contrast", "subject"),
    "group_contrast": _by("contrast"),
    "maps": _by("model", "subject"),
    "contrast_maps": _by("contrast", "subject"),
    "truth": _by(""),
    "power": _by(""),
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
            parts = [_of_place(results, place, _found(results, dataset, place)) for place in places]
            if heading == "Features" and any(parts):
                parts += _drawn(results, dataset)
            methods.add(f"{heading}: {dataset}", [*own, *parts])
    for name in results.resolved.study.power:
        found = results.existing("power", power=name)
        methods.add(f"Power: {name}", [_of_place(results, "power", found)])
    methods.add("Software", [_software()])
    return methods


def _found(results: Results, dataset: str, place: str) -> list[tuple[Input, Path]]:
    """Files of a place that tell of a dataset."""
    if place != "weights":
        return results.existing(place, dataset=dataset)
    shown = {one["space"] for one, _ in results.existing("features", dataset=dataset)}
    return [(one, path) for one, path in results.existing(place) if one["space"] in shown]


def _of_place(results: Results, place: str, found: Sequence[tuple[Input, Path]]) -> str:
    """What all files of one kind say."""
    told = []
    for one, path in found:
        provenance = provenance_at(path, one.kind)
        results.read(path, provenance)
        unknown = [k for s in provenance.methods for k in keys_of(s) if k not in library().entries]
        if unknown:
            raise UserError(
                f"{path}: its methods cite {unknown[0]!r}, which references.bib does not have: add "
                "the entry, or correct the key where the sentence is written and run again"
            )
        name = " with ".join(one[wildcard] for wildcard in PLACES[place].names)
        member = tuple(one[level] for level in PLACES[place].form.levels)
        told.append(Told(name, member, provenance.methods))
    return paragraph(told, PLACES[place].form) if told else ""


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
        size = f": {subjects} subject{'s' * (subjects > 1)}, {len(runs)} run{'s' * (len(runs) > 1)}"
        # Responses that were given have no repetition time.
        size += "" if descriptor.layout.kind == "betas" else f", TR {trs} s"
    keys = [key for doi, key in _by_doi().items() if doi in descriptor.citation.lower()]
    published = f" [@{'; @'.join(keys)}]" if keys else ""
    text = f"{_plain(descriptor.title)}{published}{size}."
    if results.simulated(dataset):
        # A simulation of this study says so itself.
        told = results.existing("truth", dataset=dataset)
        return text if told else f"{text} The BOLD is simulated; no measurement was made."
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


def _software() -> str:
    return f"tristream {__version__} was run under Snakemake [@molder2021]."
