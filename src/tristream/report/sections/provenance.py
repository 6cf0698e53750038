"""What made this report, from what, and how to make it again."""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml

from tristream import __version__
from tristream.errors import masked
from tristream.report.elements import Block, Code, Link, Table, Text, facts
from tristream.report.study_results import Results
from tristream.store import SCHEMA_VERSION, atomic_path

PACKAGES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "torch",
    "nilearn",
    "nibabel",
    "librosa",
    "av",
    "opencv-contrib-python-headless",
    "datalad",
    "snakemake",
)


def blocks(results: Results) -> list[Block]:
    """Versions, configuration, rerun command, and every file that was read."""
    config = _write_config(results)
    return [
        facts(
            {
                "tristream": __version__,
                "Layout version of the files": str(SCHEMA_VERSION),
                "Python": platform.python_version(),
                "Platform": f"{platform.system()} {platform.machine()}",
                "Packages": ", ".join(f"{name} {number}" for name, number in versions().items()),
                "Device asked for": results.resolved.study.device,
            }
        ),
        Text("To make the study again, with the descriptors of its datasets in workflow/datasets:"),
        Code(f"snakemake --cores 4 --configfile {config.as_posix()}"),
        Code(config.read_text(encoding="utf-8"), "The resolved configuration"),
        _files(results),
    ]


def versions() -> dict[str, str]:
    """Packages that results rest on, as installed, and their versions."""
    return {package: found for package in PACKAGES if (found := _version(package))}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _write_config(results: Results) -> Path:
    """The study as resolved, beside the pages: a config file in its own right."""
    study = results.resolved.study.model_dump(mode="json")
    for name, subjects in results.resolved.subjects.items():
        study["datasets"][name]["subjects"] = subjects
    path = results.folder / "study.yaml"
    text = masked(yaml.safe_dump(study, sort_keys=False, allow_unicode=True))
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def _files(results: Results) -> Table:
    rows = tuple(
        (
            Link(source.file, results.link(path)),
            source.kind,
            source.code or "–",
            "yes" if source.simulated else "no",
        )
        for path, source in sorted(results.sources.items())
    )
    caption = "Files that this report was made from, with the fingerprint of the code of each."
    return Table(caption, ("file", "kind", "code", "simulated"), rows, folded=True)
