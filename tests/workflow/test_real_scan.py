"""The localizer goes from its archive to predicted BOLD."""

from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import yaml

from small_study import snakemake


def test_the_workflow_predicts_hearing_and_reading(
    tmp_path: Path, localizer: Path, cache: Path
) -> None:
    study = {
        "datasets": ["localizer"],
        "features": {"conditions": {"stream": "label", "extractor": "labels"}},
        "models": {
            "conditions": {
                "datasets": ["localizer"],
                "bands": {"conditions": ["conditions"]},
                "delays": [1, 2, 3, 4],
                "alphas": {"lowest": -1, "highest": 3, "number": 5},
            }
        },
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(study))
    (tmp_path / "data").symlink_to(cache)
    snakemake(tmp_path, "results/encode/localizer/conditions/sub-1.h5")
    with h5py.File(tmp_path / "results/encode/localizer/conditions/sub-1.h5") as file:
        r, ijk = file["scores/r"][()], file["ijk"][()]
    labels = nib.load(localizer / "real_data_vol_4_regions_mask.nii.gz")
    region = np.asarray(labels.dataobj)[tuple(ijk.T)]
    best = np.argsort(-r)[:100]
    assert np.isin(region[best], (1, 2, 4)).mean() > 0.8
    assert r[best].mean() > 0.5
