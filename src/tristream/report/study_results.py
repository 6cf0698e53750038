"""Where the report finds results, and where it puts its figures."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from textwrap import wrap
from typing import Any

import pandas as pd
from matplotlib.figure import Figure as Drawing

from tristream.bold.index_file import BoldIndex, read_index
from tristream.config.load import Resolved
from tristream.config.models import EncodingModel
from tristream.features.core.checked_space import CheckedSpace, check
from tristream.fetch.receipt import Receipt
from tristream.maps.style import RC, SIMULATED, save, titled
from tristream.report.declared import Input, declared, targets_of
from tristream.report.elements import Figure, Missing
from tristream.results import Layout
from tristream.store import Omission, Provenance, write_table
from tristream.targets import Targets


@dataclass(frozen=True)
class Source:
    """A file that the report has read."""

    file: str
    kind: str
    code: str
    simulated: bool


def by_reason(omitted: Iterable[Omission]) -> dict[str, list[str]]:
    """What was left out for each reason."""
    found: dict[str, list[str]] = {}
    for omission in omitted:
        whats = found.setdefault(omission.why, [])
        if omission.what not in whats:
            whats.append(omission.what)
    return found


@dataclass
class Results:
    """The study's results on disk, and what has been read of them so far.

    Attributes
    ----------
    resolved : Resolved
        The study.
    folder : Path
        The report's own folder.
    code : str
        Fingerprint for the tables that the report writes.
    sources : dict
        Files that were read.
    omitted : dict
        Omission to the files that mention it.
    """

    resolved: Resolved
    folder: Path
    code: str = ""
    sources: dict[Path, Source] = field(default_factory=dict)
    omitted: dict[Omission, list[str]] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        """The study's results folder."""
        return Path(self.resolved.study.results)

    @cached_property
    def layout(self) -> Layout:
        """Where results lie."""
        return Layout(self.resolved.study.results)

    @cached_property
    def spaces(self) -> dict[str, CheckedSpace]:
        """Extractor, layers and options of each feature space that is not derived."""
        study = self.resolved.study
        return {name: check(name, block, data=study.data) for name, block in study.features.items()}

    @cached_property
    def targets(self) -> Targets:
        """What the study asks for."""
        return targets_of(self.resolved, self.spaces)

    @cached_property
    def inputs(self) -> dict[Input, None]:
        """Every file that the report may read."""
        return dict.fromkeys(declared(self.resolved, self.spaces))

    def path(self, place: str, **wildcards: str) -> Path:
        """A file that the report reads.

        Raises
        ------
        KeyError
            If it is not among the inputs of the report's rule.
        """
        one = Input.of(place, **wildcards)
        if one not in self.inputs:
            raise KeyError(f"{one} is not an input of the report")
        return one.path(self.layout)

    def expects(self, place: str, **wildcards: str) -> bool:
        """Whether the study has this file."""
        return Input.of(place, **wildcards) in self.inputs

    def existing(self, place: str, **wildcards: str) -> list[tuple[Input, Path]]:
        """Inputs of a place that have these wildcards and are there."""
        wanted = wildcards.items()
        found = [
            (one, one.path(self.layout))
            for one in self.inputs
            if one.place == place and wanted <= dict(one.wildcards).items()
        ]
        return [(one, path) for one, path in found if path.is_file()]

    def link(self, path: Path) -> str:
        """`path` as a page links it."""
        return Path(os.path.relpath(path, self.folder)).as_posix()

    def missing(self, what: str, path: Path) -> list[Missing]:
        """Empty if `path` exists; else what is not shown and why, which is also noted."""
        if path.is_file():
            return []
        why = f"there is no {path.relative_to(self.root)}: the stage that writes it has not run"
        self.omitted.setdefault(Omission(what, why), [])
        return [Missing(what, why)]

    def leave_out(self, what: str, why: str) -> list[Missing]:
        """Note that something is not shown; `why` names the dataset."""
        self.omitted.setdefault(Omission(what, why), [])
        return [Missing(what, why)]

    def read(self, path: Path, provenance: Provenance) -> list[Missing]:
        """Note that `path` was read; what it says was left out of it."""
        name = path.relative_to(self.root).as_posix()
        self.sources[path] = Source(name, provenance.kind, provenance.code, provenance.simulated)
        for omission in provenance.omitted:
            files = self.omitted.setdefault(omission, [])
            if name not in files:
                files.append(name)
        reasons = by_reason(provenance.omitted)
        return [Missing(", ".join(whats), why) for why, whats in reasons.items()]

    @property
    def meshes(self) -> Path | None:
        """The receipt of the meshes of fsLR; None where the study has none, or not yet."""
        path = self.path("meshes") if self.expects("meshes") else None
        return path if path is not None and path.is_file() else None

    def receipt(self, dataset: str) -> Receipt | None:
        """What was fetched of a dataset; None before that."""
        path = self.path("dataset", dataset=dataset)
        return Receipt.read(path) if path.is_file() else None

    def indices(self, dataset: str) -> list[BoldIndex]:
        """The indices of runs that exist, subject by subject."""
        return [read_index(path) for _, path in self.existing("bold_index", dataset=dataset)]

    def benchmarks(self) -> list[tuple[Input, Path]]:
        """What Snakemake measured of the jobs that wrote the inputs, as far as it did."""
        found = [(one, one.benchmark(self.layout)) for one in self.inputs if one.is_measured]
        return [(one, path) for one, path in found if path.is_file()]

    def simulated(self, dataset: str) -> bool:
        """Whether the dataset's receipt says that its BOLD is simulated."""
        receipt = self.receipt(dataset)
        if receipt is None:
            return self.resolved.datasets[dataset].source.kind == "simulate"
        return receipt.simulated

    def models(self, dataset: str) -> dict[str, EncodingModel]:
        """Encoding models of a dataset."""
        models = self.resolved.study.models
        return {name: model for name, model in models.items() if dataset in model.datasets}

    def stream(self, space: str) -> str:
        """Stream of a feature space, or of one of its layers."""
        return self.resolved.study.spaces[space.split("/")[0]].stream

    def streams(self, model: EncodingModel) -> dict[str, str]:
        """Band to the stream of its first feature space."""
        return {band: self.stream(spaces[0]) for band, spaces in model.bands.items()}

    def is_plain(self, model: EncodingModel) -> bool:
        """A negative control, or a model that is given the simulator's own signals."""
        return model.control != "none" or "truth" in self.streams(model).values()

    def figure(
        self,
        drawing: Drawing,
        name: str,
        title: str,
        caption: str,
        table: pd.DataFrame,
        simulated: bool,
        columns: Mapping[str, str] | None = None,
        wide: bool = False,
        words: str = SIMULATED,
        **config: Any,
    ) -> Figure:
        """Save a drawing as PNG and SVG, with the numbers behind it as TSV.

        Parameters
        ----------
        drawing : matplotlib Figure
            Gets `title` written above it.
        name : str
            File name below ``figures/``, without ending; may hold folders.
        title, caption : str
            What it shows; how to read it.
        table : DataFrame
            The numbers.
        simulated : bool
            Whether they come from simulated BOLD.
        columns : mapping, optional
            Meaning of the columns.
        wide : bool
            Takes the page's whole width.
        words : str
            What the title says of simulated data.
        **config
            What the provenance of the table says.
        """
        title = titled(title, simulated, words)
        per_line = int(13 * drawing.get_figwidth())
        drawing.suptitle("\n".join(wrap(title, per_line)))
        return self.untitled(drawing, name, title, caption, table, simulated, columns, wide, config)

    def untitled(
        self,
        drawing: Drawing,
        name: str,
        title: str,
        caption: str,
        table: pd.DataFrame,
        simulated: bool,
        columns: Mapping[str, str] | None = None,
        wide: bool = False,
        config: Mapping[str, Any] | None = None,
        dpi: int = RC["savefig.dpi"],
    ) -> Figure:
        """:meth:`figure` of a drawing that says itself what it is, and whether it is simulated."""
        path = self.folder / "figures" / f"{name}.png"
        pixels = drawing.get_size_inches() * dpi
        save(drawing, path, dpi)
        provenance = Provenance("figure", simulated, dict(config or {}), self.code)
        write_table(path.with_suffix(".tsv"), table, provenance, columns)
        png, svg, tsv = (self.link(path.with_suffix(s)) for s in (".png", ".svg", ".tsv"))
        size = (int(pixels[0]), int(pixels[1]))
        return Figure(title, caption, png, svg, tsv, wide, size)

    def table(self, name: str, table: pd.DataFrame, simulated: bool) -> Path:
        """Write a table below ``figures/`` that no drawing belongs to; return its path."""
        path = self.folder / "figures" / f"{name}.tsv"
        write_table(path, table, Provenance("figure", simulated, {}, self.code))
        return path
