"""Fetching from a checked study, as the workflow's jobs do it from their settings."""

from tristream.config.dataset import Dataset
from tristream.config.load import Resolved
from tristream.config.settings.fetch import (
    FetchDatasetSettings,
    FetchStimuliSettings,
    FetchSubjectSettings,
)
from tristream.config.study import DatasetChoice, Study
from tristream.fetch import steps, stimulus_files
from tristream.fetch.contents import subject_files
from tristream.fetch.receipt import Receipt


def fetch_dataset(resolved: Resolved, dataset: str, code: str = "") -> Receipt:
    """List a dataset."""
    return steps.fetch_dataset(FetchDatasetSettings.of(resolved, dataset=dataset), code)


def fetch_subject(
    resolved: Resolved, dataset: str, subject: str, listed: Receipt, code: str = ""
) -> Receipt:
    """Bring the files of one subject."""
    settings = FetchSubjectSettings.of(resolved, dataset=dataset, subject=subject)
    return steps.fetch_subject(settings, listed, code)


def fetch_stimuli(resolved: Resolved, dataset: str) -> Receipt:
    """Bring the stimuli of a dataset."""
    return stimulus_files.fetch_stimuli(FetchStimuliSettings.of(resolved, dataset=dataset))


def files_of(dataset: Dataset, subject: str, listed: list[str] | set[str]) -> list[str]:
    """Files that the analysis of a subject reads."""
    study = Study(datasets={dataset.id: DatasetChoice()})
    resolved = Resolved(study, {dataset.id: dataset}, {dataset.id: dataset.subjects})
    about = FetchSubjectSettings.of(resolved, dataset=dataset.id, subject=subject)
    return subject_files(about, listed)
