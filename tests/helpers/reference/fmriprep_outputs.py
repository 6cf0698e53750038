"""What fMRIPrep makes of files: its own interfaces, joined as its workflows join them.

    python fmriprep_outputs.py JOB.json FOLDER

Runs where `requirements.txt` is installed; `fmriprep_reference.py` among the tests writes the job
and reads the folder. Nothing of the project is imported here.
"""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from fmriprep.interfaces.confounds import FramewiseDisplacement, FSLMotionParams, aCompCorMasks
from fmriprep.interfaces.resampling import (
    DistortionParameters,
    ReconstructFieldmap,
    ResampleSeries,
)
from nipype.algorithms.confounds import ComputeDVARS
from niworkflows.interfaces.bold import NonsteadyStatesDetector
from niworkflows.interfaces.patches import RobustACompCor


def resample(job: dict[str, Any], out: Path) -> None:
    """As `fmriprep.workflows.bold.apply.init_bold_volumetric_resample_wf` does."""
    to_target = job["to_target"]  # boldref2anat_xfm, anat2std_xfm
    series = {
        "in_file": job["bold"],
        "ref_file": job["target"],
        "transforms": [job["motion"], *to_target],
        "jacobian": False,  # the default for a field that no opposite polarities measured
    }
    if job["coefficients"]:
        field = ReconstructFieldmap(
            in_coeffs=job["coefficients"],
            fmap_ref_file=job["fieldmap"],
            target_ref_file=job["target"],
            transforms=[job["to_fieldmap"], *to_target],
            inverse=[True, *(False for _ in to_target)],
        ).run()
        said = DistortionParameters(in_file=job["bold"], metadata=job["sidecar"]).run().outputs
        series |= {"fieldmap": field.outputs.out_file}
        series |= {"ro_time": said.readout_time, "pe_dir": said.pe_direction}
    shutil.move(ResampleSeries(**series).run().outputs.out_file, out)


def motion(job: dict[str, Any]) -> None:
    """Motion parameters and framewise displacement."""
    parameters = FSLMotionParams(xfm_file=job["motion"], boldref_file=job["reference"]).run()
    displaced = FramewiseDisplacement(in_file=parameters.outputs.out_file).run()
    # Named after the reference volume, and so compressed.
    shutil.move(parameters.outputs.out_file, "motion.tsv.gz")
    shutil.move(displaced.outputs.out_file, "fd.tsv.gz")


def signals(job: dict[str, Any]) -> None:
    """DVARS, volumes before the steady state, aCompCor, as `init_bold_confs_wf` sets them."""
    dvars = ComputeDVARS(
        in_file=job["bold"],
        in_mask=job["mask"],
        save_nstd=True,
        save_std=True,
        remove_zerovariance=True,
    ).run()
    shutil.move(dvars.outputs.out_nstd, "dvars.txt")
    shutil.move(dvars.outputs.out_std, "std_dvars.txt")
    steady = NonsteadyStatesDetector(in_file=job["bold"]).run().outputs
    Path("unsteady.json").write_text(json.dumps(steady.n_dummy))
    RobustACompCor(
        realigned_file=job["bold"],
        mask_files=job["noise"],
        mask_names=["combined"],
        components_file="acompcor.tsv",
        header_prefix="a_comp_cor_",
        pre_filter="cosine",
        save_pre_filter="cosines.tsv",
        save_metadata="acompcor_metadata.tsv",
        merge_method="none",
        failure_mode="NaN",
        variance_threshold=0.5,
        repetition_time=job["tr"],
        ignore_initial_volumes=steady.n_dummy,
    ).run()


def tissues(job: dict[str, Any]) -> None:
    """Probabilities of CSF, white matter and both, away from grey matter, in T1w space."""
    made = aCompCorMasks(in_vfs=job["maps"], bold_zooms=tuple(job["zooms"])).run().outputs
    for path, name in zip(made.out_masks, ("csf", "wm", "combined"), strict=True):
        shutil.copy(path, f"pure_{name}.nii.gz")


def main() -> None:
    job, folder = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    os.chdir(folder)
    for name, one in job["resample"].items():
        resample(one, folder / f"{name}.nii.gz")
    motion(job["head_motion"])
    signals(job["signals"])
    tissues(job["tissues"])


if __name__ == "__main__":
    main()
