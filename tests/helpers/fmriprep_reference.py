"""fMRIPrep itself, run on files in a process of its own: what the minimal reader is held to."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
INSTALLED = HERE.parents[1] / ".venv-fmriprep"
INSTALL = (
    "pip install --no-deps --target .venv-fmriprep -r tests/helpers/reference/requirements.txt "
    "(`make test` does it)"
)


def fmriprep_outputs(job: dict[str, Any], folder: Path) -> Path:
    """What fMRIPrep's interfaces make of `job` (see `reference/fmriprep_outputs.py`), in a folder.

    Its packages lie over those of this environment, in the child process alone.
    """
    assert (INSTALLED / "fmriprep").is_dir(), f"fMRIPrep is not there; {INSTALL}"
    out = folder / "fmriprep"
    # Without a template in its home, templateflow fetches and indexes thousands of files.
    (folder / "templateflow/tpl-none").mkdir(parents=True)
    out.mkdir()
    (folder / "job.json").write_text(json.dumps(job))
    settings = {
        "PYTHONPATH": str(INSTALLED),
        "TEMPLATEFLOW_HOME": str(folder / "templateflow"),
        "TEMPLATEFLOW_AUTOUPDATE": "off",
        "NIPYPE_CONFIG_DIR": str(folder),
        "NO_ET": "1",
    }
    script = HERE / "reference/fmriprep_outputs.py"
    call = [sys.executable, str(script), str(folder / "job.json"), str(out)]
    done = subprocess.run(call, env={**os.environ, **settings}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return out
