"""A study of real width: 60 subjects, 6 runs, 30 feature spaces and 5 models of one film."""

from pathlib import Path

import yaml

SUBJECTS, RUNS, SPACES, MODELS = 60, 6, 30, 5


def write(folder: Path, subjects: int = SUBJECTS) -> Path:
    """Set the study up in `folder`; nothing of it can be fetched."""
    (folder / "workflow/datasets").mkdir(parents=True)
    (folder / "film").mkdir()
    dataset = {
        "id": "many",
        "title": "Many subjects",
        "licence": "CC0",
        "citation": "None.",
        "source": {"kind": "datalad", "url": "https://127.0.0.1/many.git", "commit": "1.0.0"},
        "layout": {"kind": "fmriprep"},
        "tr": 1.5,
        "size": {"volumes": 400, "voxels": 80_000},
        "subjects": [f"{{001..{subjects:03}}}"],
        "runs": [f"task-film_run-{{1..{RUNS}}}"],
        "stimuli": {
            "source": {"kind": "folder", "path": "film"},
            "table": [{"stimulus": "film", "kind": "film", "path": "film.mp4"}],
        },
        "split": {"scheme": "holdout", "test": ["task-film_run-6"]},
        "exchange": {"unit": "time", "seconds": 20},
    }
    names = [f"space{number:02}" for number in range(SPACES)]
    study = {
        "datasets": {"many": {}},
        "features": {
            name: {"stream": "dorsal", "extractor": "optical_flow", "options": {"fps": 1 + number}}
            for number, name in enumerate(names)
        },
        "models": {
            f"model{number}": {
                "datasets": ["many"],
                "bands": {name: [name] for name in names[6 * number : 6 * number + 6]},
                "candidates": 100,
            }
            for number in range(MODELS)
        },
    }
    (folder / "workflow/datasets/many.yaml").write_text(yaml.safe_dump(dataset))
    (folder / "config.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    return folder
