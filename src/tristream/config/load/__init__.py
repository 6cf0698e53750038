"""Read and check the configuration; every mistake is one readable line."""

import csv
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from tristream.config.base import expand
from tristream.config.dataset import Dataset
from tristream.config.layouts import SPACES_OF_ONE, ScanLayout, VolumeTableLayout
from tristream.config.load.questions import check_answered
from tristream.config.load.yaml_slips import check_slips
from tristream.config.sources import (
    ArchiveSource,
    DataladSource,
    FolderSource,
    OsfSource,
    SimulateSource,
)
from tristream.config.study import DatasetChoice, Study
from tristream.errors import UserError

M = TypeVar("M", bound=BaseModel)
DESCRIPTORS = Path("workflow/datasets")


@dataclass(frozen=True)
class Resolved:
    """A checked study with its dataset descriptors.

    Attributes
    ----------
    study : Study
        The study as written.
    datasets : dict of str to Dataset
        Descriptors of the study's datasets.
    subjects : dict of str to list of str
        Chosen subjects of each dataset.
    """

    study: Study
    datasets: dict[str, Dataset]
    subjects: dict[str, list[str]]

    def source(self, dataset: str) -> Any:
        """The dataset's source, with ``simulate`` turned into where the simulator writes."""
        source = self.datasets[dataset].source
        if isinstance(source, SimulateSource):
            home = f"{self.study.results}/simulate/{dataset}"
            return DataladSource(url=f"{home}/dataset", commit_file=f"{home}/commit.txt")
        return source

    def reference_runs(self, dataset: str, timeline: str) -> dict[str, str]:
        """Each run of a timeline with the first chosen subject who has it.

        Volumes of these runs say when features are wanted.

        Raises
        ------
        UserError
            If none of the chosen subjects saw the timeline.
        """
        about = self.datasets[dataset]
        seen = [s for s in self.subjects[dataset] if about.timeline_of(s) == timeline]
        if not seen:
            raise UserError(f"{dataset}: none of the chosen subjects saw the timeline {timeline}")
        first = {run: s for s in reversed(seen) for run in about.runs_of(s)}
        return {run: first[run] for run in about.runs if run in first}

    def shares_features(self, dataset: str) -> bool:
        """Whether subjects share features that are brought to volumes once for a timeline."""
        about, subjects = self.datasets[dataset], self.subjects[dataset]
        modelled = any(dataset in model.datasets for model in self.study.models.values())
        together = len(set(map(about.timeline_of, subjects))) < len(subjects)
        return modelled and together and about.trials is None

    def needs_regions(self, dataset: str) -> bool:
        """Whether results of the dataset are told by regions of the atlas, which is in MNI."""
        space = self.datasets[dataset].space or ""
        return self.study.inference.regions and space.startswith("MNI")

    def needs_meshes(self, dataset: str) -> bool:
        """Whether results of the dataset are drawn on the meshes of fsLR."""
        return (self.datasets[dataset].space or "").startswith("fsLR")


def load(path: Path | str = "config.yaml", descriptors: Path | str | None = None) -> Resolved:
    """Read a study and the descriptors of its datasets.

    Parameters
    ----------
    path : Path
        The study's YAML file.
    descriptors : Path, optional
        Folder of dataset descriptors; ``workflow/datasets`` beside `path` by default.

    Raises
    ------
    UserError
        One line a mistake: the file, the key, what is wrong.
    """
    path = Path(path)
    return resolve(_yaml(path), path, _folders(path, descriptors))


def consider(
    resolved: Resolved, dataset: str, path: Path | str, descriptors: Path | str | None = None
) -> Resolved:
    """A study, and with it all of a dataset that it may not list.

    Parameters
    ----------
    resolved, path, descriptors
        What :func:`load` was given, and returned.
    dataset : str
        A dataset that has a descriptor.

    Raises
    ------
    UserError
        If it has none.
    """
    if dataset in resolved.datasets:
        return resolved
    found = descriptor(dataset, _folders(Path(path), descriptors), Path(path))
    choices = {**resolved.study.datasets, dataset: DatasetChoice()}
    return Resolved(
        resolved.study.model_copy(update={"datasets": choices}),
        {**resolved.datasets, dataset: found},
        {**resolved.subjects, dataset: list(found.subjects)},
    )


def _folders(path: Path, descriptors: Path | str | None) -> list[Path]:
    """Where descriptors are looked for."""
    return [Path(descriptors)] if descriptors else [path.parent / DESCRIPTORS, DESCRIPTORS]


def resolve(content: Any, path: Path, folders: list[Path]) -> Resolved:
    """Like :func:`load`, for content that is already parsed (Snakemake's ``config``)."""
    if isinstance(content, dict):
        # Subjects and runs of a power analysis are numbers.
        check_slips({"datasets": content.get("datasets")}, path)
    study = _validated(Study, content, path)
    if path.is_file():
        check_answered(path)
    datasets, subjects = {}, {}
    for name, choice in study.datasets.items():
        datasets[name] = _chosen(descriptor(name, folders, path), choice, path)
        subjects[name] = _subjects(choice.subjects, datasets[name], path)
    _check_across_subjects(study, datasets, subjects, path)
    return Resolved(study, datasets, subjects)


def _check_across_subjects(
    study: Study, datasets: dict[str, Dataset], subjects: dict[str, list[str]], path: Path
) -> None:
    """Refuse decoders of subjects by one another where there is one, or each has its own space."""
    for name, block in study.decoders.items():
        for dataset in block.datasets if block.across_subjects else []:
            where, space = f"{path}: decoders.{name}.across_subjects", datasets[dataset].space
            if len(subjects[dataset]) < 2:
                raise UserError(
                    f"{where}: {dataset} has one chosen subject, and decoding across subjects "
                    "needs two; choose more, or take the key out"
                )
            if space in SPACES_OF_ONE:
                raise UserError(
                    f"{where}: subjects of {dataset} lie each in a space of their own "
                    f"(layout.space: {space}); name one that they share, as MNI152NLin2009cAsym, "
                    "or take the key out"
                )


def load_study(path: Path | str) -> Study:
    """Read and check a study alone, without the descriptors of its datasets."""
    return _validated(Study, _yaml(Path(path)), Path(path))


def descriptor(name: str, folders: list[Path], path: Path, questions: bool = True) -> Dataset:
    """Read the descriptor of dataset `name` from the first folder that has it.

    With `questions` one that `tristream describe` wrote must have its questions answered.
    """
    for folder in folders:
        file = folder / f"{name}.yaml"
        if file.is_file():
            if questions:
                check_answered(file)
            content = _yaml(file)
            check_slips(content, file)
            content = _with_published(_with_runs_table(_with_table(content, file), file), file)
            dataset = _validated(Dataset, content, file)
            if dataset.id != name:
                raise UserError(
                    f"{file}: id: is {dataset.id!r}, must equal the file's name {name!r}"
                )
            return dataset
    raise UserError(
        f"{path}: datasets.{name}: no descriptor {folders[0] / (name + '.yaml')}; write one "
        "(`tristream describe`) or fix the name"
    )


def _with_table(content: Any, file: Path) -> Any:
    """The descriptor with the stimulus table that it names read from its TSV."""
    stimuli = content.get("stimuli") if isinstance(content, dict) else None
    if not isinstance(stimuli, dict) or not isinstance(stimuli.get("table"), str):
        return content
    listed = _rows_beside(file, "stimuli.table", stimuli["table"])
    return content | {"stimuli": stimuli | {"table": listed}}


def _with_published(content: Any, file: Path) -> Any:
    """The descriptor with the published numbers that it names read from their TSV."""
    if not isinstance(content, dict) or not isinstance(content.get("published"), str):
        return content
    return content | {"published": _rows_beside(file, "published", content["published"])}


def _with_runs_table(content: Any, file: Path) -> Any:
    """The descriptor with the runs that exist read from the TSV that `runs` names."""
    if not isinstance(content, dict) or not isinstance(content.get("runs"), str):
        return content
    table = file.parent / content["runs"]
    rows = _rows_beside(file, "runs", content["runs"])
    if content.get("missing"):
        raise UserError(f"{file}: missing: {table} says which runs exist; delete `missing`")
    if rows and set(rows[0]) != {"subject", "runs"}:
        raise UserError(f"{table}: its columns must be subject and runs")
    of = {row["subject"].removeprefix("sub-"): expand(row["runs"].split()) for row in rows}
    runs = list(dict.fromkeys(run for own in of.values() for run in own))
    listed = expand([str(subject) for subject in content.get("subjects") or []])
    if lacking := [subject for subject in listed if subject not in of]:
        raise UserError(f"{table}: has no row for subject {lacking[0]}; add one")
    missing = {s: [run for run in runs if run not in of[s]] for s in listed}
    return content | {"runs": runs, "missing": {s: gone for s, gone in missing.items() if gone}}


def _rows_beside(file: Path, key: str, name: str) -> list[dict[str, str]]:
    """Rows of a TSV beside a descriptor, which names it under `key`."""
    table = file.parent / name
    if not table.is_file():
        raise UserError(f"{file}: {key}: no such file {table}")
    rows = list(csv.reader(_text(table).split("\n"), delimiter="\t"))
    columns, *rows = [row for row in rows if any(row)] or [[]]
    if twice := [column for column in columns if columns.count(column) > 1]:
        raise UserError(f"{table}: has two columns {twice[0]!r}; rename or delete one")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(columns):
            raise UserError(
                f"{table}: row {number}: {len(row)} cells under {len(columns)} column names"
            )
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _chosen(dataset: Dataset, choice: DatasetChoice, path: Path) -> Dataset:
    """The descriptor with the addresses and the stimulus folder that config.yaml gives."""
    where = f"{path}: datasets.{dataset.id}"
    update: dict[str, Any] = {}
    for key in ("source", "derivatives"):
        mirror, own = getattr(choice, key), getattr(dataset, key)
        if mirror is None:
            continue
        if isinstance(own, DataladSource):
            commit = mirror.commit or own.commit
            update[key] = own.model_copy(update={"url": mirror.url, "commit": commit})
        elif isinstance(own, FolderSource | ArchiveSource) and mirror.commit:
            # A synthetic dataset in the place of a folder or an archive.
            update[key] = DataladSource(url=mirror.url, commit=mirror.commit)
        else:
            raise UserError(
                f"{where}.{key}: the descriptor's {key} is not a DataLad dataset; one in its place "
                "needs a commit"
            )
    if choice.accept and not isinstance(dataset.source, DataladSource | SimulateSource):
        raise UserError(f"{where}.accept: only files of a DataLad dataset have annex keys")
    if choice.layout is not None:
        update["layout"] = choice.layout
    if choice.stimuli is not None:
        if dataset.stimuli.source is not None or not dataset.stimuli.table:
            raise UserError(f"{where}.stimuli: the descriptor says itself what the stimuli are")
        own_source = _stimuli(choice.stimuli, f"{where}.stimuli", dataset)
        update["stimuli"] = dataset.stimuli.model_copy(update={"source": own_source})
    return _with_runs(dataset, choice.runs, path, where).model_copy(update=update)


def _with_runs(dataset: Dataset, patterns: list[str], path: Path, where: str) -> Dataset:
    """The descriptor with those of its runs that match a pattern, checked again."""
    if not patterns:
        return dataset
    if isinstance(dataset.layout, ScanLayout | VolumeTableLayout):
        raise UserError(f"{where}.runs: all runs are in one image; leave the key out")
    for pattern in patterns:
        if not any(fnmatchcase(run, pattern) for run in dataset.runs):
            raise UserError(f"{where}.runs: no run {pattern!r}; the first is {dataset.runs[0]}")
    taken = [run for run in dataset.runs if any(fnmatchcase(run, p) for p in patterns)]
    if dataset.events.without_media_start == "continues" and taken != dataset.runs[: len(taken)]:
        raise UserError(
            f"{where}.runs: films continue from run to run (events.without_media_start), so the "
            "runs before those that are taken are needed; take the first ones"
        )
    return _validated(Dataset, {**dataset.model_dump(mode="json"), "runs": taken}, path)


def _stimuli(given: str, where: str, dataset: Dataset) -> FolderSource | OsfSource:
    """The user's folder, or a project of the OSF."""
    if given.startswith("osf:"):
        project, _, folder = given.removeprefix("osf:").partition("/")
        if not re.fullmatch(r"[a-z0-9]{5}", project):
            raise UserError(f"{where}: {given!r} is not a project of the OSF; write osf:qxcu8")
        return OsfSource(project=project, folder=folder)
    if not Path(given).expanduser().is_dir():
        raise UserError(f"{where}: no such folder {given}; {dataset.stimuli.get}")
    return FolderSource(path=given)


def _yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(_text(path))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(
            f"{path}: is not UTF-8 text (Windows-1252, perhaps); save it as UTF-8"
        ) from None


def _validated(model: type[M], content: Any, path: Path) -> M:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise UserError("\n".join(_line(path, e) for e in error.errors())) from None


def _line(path: Path, error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        message = "unknown key; see docs/config.md for those that exist"
    return f"{path}: {where + ': ' if where else ''}{message}"


def _subjects(choice: list[str] | str, dataset: Dataset, path: Path) -> list[str]:
    where = f"{path}: datasets.{dataset.id}.subjects"
    if choice == "all":
        return list(dataset.subjects)
    if isinstance(choice, str):
        choice = _participants(path.parent / choice, where)
    unknown = [s for s in choice if s not in dataset.subjects]
    if unknown or not choice:
        raise UserError(f"{where}: {unknown or 'none'} not among {', '.join(dataset.subjects)}")
    return list(choice)


def _participants(table: Path, where: str) -> list[str]:
    if not table.is_file():
        raise UserError(f"{where}: give a list, `all`, or a TSV; there is no file {table}")
    lines = _text(table).split("\n")
    columns, *rows = [line.split("\t") for line in lines if line.strip()] or [[""]]
    if columns.count("participant_id") != 1:
        raise UserError(f"{where}: {table} has not one column participant_id")
    column = columns.index("participant_id")
    for number, row in enumerate(rows, start=1):
        if len(row) <= column:
            raise UserError(f"{where}: {table}: row {number} has no participant_id")
    return [row[column].strip().removeprefix("sub-") for row in rows]
