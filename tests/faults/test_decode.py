"""What a decoder is given wrongly is one readable line; what it leaves out it says."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from helpers import REPOSITORY
from helpers.run_files import write_values
from tristream.cli import main
from tristream.config.decoders import DecoderDesign
from tristream.config.settings.decode import DecodeSettings
from tristream.decode.decoding import fit
from tristream.errors import UserError
from tristream.store import Provenance, open_h5, write_table

BLOCKS = ["a", "b", "c"]
LENGTH = 4


class Study:
    """Run files and a sample index of a small block design."""

    def __init__(self, folder: Path, runs: int = 6, simulated: bool = False) -> None:
        rng = np.random.default_rng(0)
        self.folder, self.simulated = folder, simulated
        self.bold: dict[str, np.ndarray] = {}
        tables = []
        for number in range(runs):
            name = f"run-{number + 1}"
            item = np.repeat(rng.permutation(BLOCKS), LENGTH)
            pattern = np.array([[ord(i) == ord(b) for b in "abcdefgh"] for i in item])
            self.bold[name] = pattern + rng.standard_normal((len(item), 8))
            tables.append(
                pd.DataFrame(
                    {
                        "run": name,
                        "row": np.arange(len(item)),
                        "time": np.arange(len(item)) * 2.0,
                        "item": item,
                        "label": item,
                        "unit": [f"{name}/{k // LENGTH}" for k in range(len(item))],
                        "split": "each",
                        "repeat": None,
                        "censor": False,
                        "keep": True,
                    }
                )
            )
        self.table = pd.concat(tables, ignore_index=True)

    def fit(self, **options: Any) -> Path:
        """Write all files and fit."""
        samples, output = self.folder / "samples.tsv", self.folder / "out.h5"
        write_table(
            samples, self.table, Provenance("samples", self.simulated, methods=("Made by a test.",))
        )
        paths = [
            write_values(self.folder / f"{name}.h5", values, self.simulated)
            for name, values in self.bold.items()
        ]
        # Patterns are there when the label is.
        given = {"kind": "ridge", "samples": "volumes", "delay": "0 s", **options}
        block = DecoderDesign(**given)
        settings = DecodeSettings(dataset="d", decoder="ridge", block=block, unit="block")
        fit(paths, samples, output, settings, "1")
        return output


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path)


def test_sound_study_decodes(study: Study) -> None:
    with open_h5(study.fit(), "decoding") as (file, provenance):
        assert file.attrs["accuracy"] > 0.4
        assert file.attrs["p"] < 0.05
        assert not provenance.simulated


def test_simulated_goes_on(tmp_path: Path) -> None:
    with open_h5(Study(tmp_path, simulated=True).fit(), "decoding") as (_, provenance):
        assert provenance.simulated


def test_one_class(study: Study) -> None:
    study.table["label"] = "a"
    with pytest.raises(UserError, match=r"samples\.tsv: only one label \(a\)"):
        study.fit()


def test_no_labels(study: Study) -> None:
    study.table[["label", "unit"]] = None
    study.table["keep"] = False
    with pytest.raises(UserError, match="no volume has a label"):
        study.fit()


def test_class_in_one_run_only(study: Study) -> None:
    first = study.table["unit"] == "run-2/0"
    study.table.loc[first, "label"] = "rare"
    with pytest.raises(UserError, match="no training sample of rare is left when run-2"):
        study.fit()


def test_single_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"only one run with labels \(run-1\)"):
        Study(tmp_path, runs=1).fit()


def test_voxels_that_are_not_finite_are_left_out_and_named(study: Study) -> None:
    study.bold["run-3"][5, 2] = np.nan
    with open_h5(study.fit(), "decoding") as (file, provenance):
        assert file.attrs["n_voxels"] == 7
        assert np.isfinite(file["decision"][()]).all()
        assert provenance.omitted[0].what == "1 of 8 voxels"


def test_no_finite_voxel(study: Study) -> None:
    study.bold["run-3"][5] = np.nan
    with pytest.raises(UserError, match="no voxel has finite values"):
        study.fit()


def test_unit_of_two_labels(study: Study) -> None:
    study.table.loc[1, "label"] = "z"
    with pytest.raises(UserError, match=r"unit 'run-1/0' has volumes of two labels"):
        study.fit()


def test_labels_without_units(study: Study) -> None:
    study.table.loc[:3, "unit"] = None
    with pytest.raises(UserError, match="has no unit"):
        study.fit()


def test_rows_that_do_not_fit_the_run(study: Study) -> None:
    study.table = study.table.drop(index=3)
    with pytest.raises(UserError, match=r"has 11 rows for .*run-1\.h5, which has 12 volumes"):
        study.fit()


def test_runs_of_different_voxels(study: Study) -> None:
    study.bold["run-4"] = study.bold["run-4"][:, :5]
    with pytest.raises(UserError, match=r"run-4\.h5: differs from"):
        study.fit()


def test_censored_volumes_are_left_out(study: Study) -> None:
    study.table.loc[2, ["censor", "keep"]] = True, False
    study.bold["run-1"][2] = 1e6
    with open_h5(study.fit(), "decoding") as (file, _):
        assert len(file["true"]) == 6 * 3 * LENGTH - 1
        # A block that lost a volume still exchanges with the whole ones.
        assert "equal length" not in file.attrs["permuted"]


def test_too_few_permutations_leave_no_p(tmp_path: Path) -> None:
    with open_h5(Study(tmp_path, runs=3).fit(), "decoding") as (file, provenance):
        assert "p" not in file.attrs
        assert "null" not in file
        assert file.attrs["chance"] == file.attrs["chance_theory"] == pytest.approx(1 / 3)
        omitted, interval = provenance.omitted
        assert omitted.what == "p"
        assert interval.what == "interval of balanced accuracy"
        assert np.isnan(file.attrs["balanced_low"])
        assert "only 36 distinct permutations" in omitted.why


def test_permutations_not_asked_for(study: Study) -> None:
    with open_h5(study.fit(permutations=0), "decoding") as (file, provenance):
        assert "p" not in file.attrs
        assert provenance.omitted[0].why == "permutations: 0 was asked for"


def test_unknown_decoder(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    config = REPOSITORY / "config.yaml"
    command = f"decode fit --config {config} --dataset haxby2001_slice --decoder nobody"
    command += f" --subject 1 --bold x.h5 --samples s.tsv --output {tmp_path / 'o.h5'}"
    assert main(command.split()) == 2
    error = capsys.readouterr().err
    assert (
        "there is no 'nobody' in the study; it has ridge_volumes, svm_blocks, classifiers" in error
    )
