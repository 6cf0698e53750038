"""The report of raw BOLD says that this was not prepared by fMRIPrep, and what to run instead."""

from pathlib import Path

from helpers import raw_head as world
from tristream.config.load import Resolved
from tristream.config.study import Study
from tristream.report.elements import Code, Text
from tristream.report.sections.data import dataset_section, subject_section
from tristream.report.study_results import Results
from tristream.report.thresholds import all_checks


def resolved() -> Resolved:
    study = Study.model_validate({"datasets": {"head": {}}})
    return Resolved(study, {"head": world.dataset(confounds=["motion"])}, {"head": ["01"]})


def test_data_sections_advise_fmriprep(tmp_path: Path) -> None:
    results = Results(resolved(), tmp_path / "report")
    for section in (dataset_section(results, "head"), subject_section(results, "head", "01")):
        said = " ".join(b.text for b in section.blocks if isinstance(b, Text))
        assert "from raw images by tristream itself" in said
        assert "run fMRIPrep" in said
        command = next(b.text for b in section.blocks if isinstance(b, Code))
        assert "--participant-label 01" in command
    pipelines = [c for c in all_checks(results) if c.what == "pipeline of the BOLD"]
    assert [(c.value, c.threshold, c.met) for c in pipelines] == [
        ("tristream's own, from raw images", "fMRIPrep", None)
    ]
