"""Where the report finds results, and where it puts its figures."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import wrap
from typing import Any

import pandas as pd
from matplotlib.figure import Figure as Drawing

from tristream.config.load import Resolved
from tristream.config.models import EncodingModel
from tristream.maps.style import SIMULATED, save, titled
from tristream.report.elements import Figure, Missing
from tristream.store import Omission, Provenance, read_json, write_table


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

    def path(self, *parts: str) -> Path:
        """A file below the results folder."""
        return self.root.joinpath(*parts)

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
        said = provenance
        self.sources[path] = Source(name, said.kind, said.code, said.simulated)
        for omission in said.omitted:
            files = self.omitted.setdefault(omission, [])
            if name not in files:
                files.append(name)
        return [Missing(", ".join(whats), why) for why, whats in by_reason(said.omitted).items()]

    def simulated(self, dataset: str) -> bool:
        """Whether the dataset's receipt says that its BOLD is simulated."""
        path = self.path("fetch", dataset, "dataset.json")
        if path.is_file():
            return read_json(path, "receipt")[1].simulated
        return self.resolved.datasets[dataset].source.kind == "simulate"

    def models(self, dataset: str) -> dict[str, EncodingModel]:
        """Encoding models of a dataset."""
        models = self.resolved.study.models
        return {name: model for name, model in models.items() if dataset in model.datasets}

    def streams(self, model: EncodingModel) -> dict[str, str]:
        """Band to the stream of its first feature space."""
        features = self.resolved.study.spaces
        return {b: features[s[0].split("/")[0]].stream for b, s in model.bands.items()}

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
        path = self.folder / "figures" / f"{name}.png"
        save(drawing, path)
        said = Provenance("figure", simulated, config, self.code)
        write_table(path.with_suffix(".tsv"), table, said, columns)
        png, svg, tsv = (self.link(path.with_suffix(s)) for s in (".png", ".svg", ".tsv"))
        return Figure(title, caption, png, svg, tsv, wide)
