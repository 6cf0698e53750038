"""Tests of unique and shared variance: what drives voxels is found, what does not is left alone."""

from dataclasses import replace

import pytest

from helpers.encoding_files import encode_settings, model, write_study
from helpers.inference_settings import settings_of_parts
from tristream.config.settings.partition import PartitionSettings
from tristream.encode.fit import fit_subject
from tristream.encode.partition.nested_models import partition_subject
from tristream.encode.partition.partition_file import read_partition, write_partition
from tristream.encode.partition.parts_by_unit import PartsByUnit
from tristream.errors import UserError
from tristream.inference.tested_partition import infer_partition
from tristream.inference.tested_partition_file import read_partition_test

NET, FLOW, NONE = slice(0, 8), slice(8, 16), slice(16, 24)


def quick(**changes):
    return settings_of_parts(**{"permutations": 400, "most_permutations": 400, **changes})


def shorter(study):
    table = study["samples"]
    pairs = zip(table["run"], table["row"], strict=True)
    table["unit"] = [f"{run}/{row // 10}" for run, row in pairs]


@pytest.fixture(scope="module", params=["holdout", "leave-one-run-out"])
def files(request, tmp_path_factory):
    """A model of two bands that drive voxels of their own, and its partition."""
    folder = tmp_path_factory.mktemp(request.param)
    study = write_study(folder, scheme=request.param, change=shorter)
    inputs = study["aligned"], study["bold"], study["samples"]
    design = model(alphas={"lowest": -1, "highest": 4, "number": 6})
    encoding, partition = folder / "streams.h5", folder / "partition.h5"
    fit_subject(encode_settings(design), "01", *inputs, encoding)
    settings = PartitionSettings(
        dataset="planted",
        model="streams",
        block=design.design,
        bands=sorted(design.bands),
        device="cpu",
    )
    partition_subject(settings, encoding, *inputs, partition)
    return partition, encoding


def test_parts_of_units_add_up_to_the_values(files):
    stored, _ = read_partition(files[0])
    total = stored.by_unit.parts.sum(1)
    assert total == pytest.approx(stored.found.parts.value, abs=1e-4)
    assert (stored.by_unit.widening >= 1).all()


def test_bands_are_found_where_they_drive_voxels_and_nowhere_else(files, tmp_path):
    output = tmp_path / "out.h5"
    infer_partition(*files, quick(), None, output)
    tested, provenance = read_partition_test(output)
    bands = read_partition(files[0])[0].bands
    assert set(tested.found) == {*bands, "+".join(bands)}
    own = {"ventral": NET, "dorsal": FLOW}
    for band, driven in own.items():
        found = tested.found[band]
        others = FLOW if driven == NET else NET
        assert (found.p[driven] <= 0.05).mean() > 0.8
        assert (found.p[others] <= 0.05).sum() <= 1
        assert (found.p[NONE] <= 0.05).sum() <= 1
        assert (found.p_fwe >= found.p).all()
        assert found.region_p[0] < 0.05
    assert tested.regions == ["all voxels"]
    text = " ".join(provenance.methods)
    assert "expected variance is not above zero" in text
    assert "400 patterns of signs, drawn at random from" in text
    assert text.endswith("These are tests of 24 voxels, each for 3 sets of bands.")
    both = read_partition(files[0])[0].by_unit.pairs is not None
    assert ("as training data of the other folds [@efron1981]" in text) == both


def test_too_few_units_and_other_kinds_of_models_are_refused(files, tmp_path):
    stored, provenance = read_partition(files[0])
    parts = PartsByUnit("block", stored.by_unit.parts[:, :9], stored.by_unit.widening)
    few, output = tmp_path / "few.h5", tmp_path / "out.h5"
    write_partition(few, replace(stored, by_unit=parts), provenance)
    infer_partition(few, files[1], quick(), None, output)
    tested, provenance = read_partition_test(output)
    assert not tested.found
    why = "9 blocks can change signs: 512 distinct patterns; 1000 are asked for"
    assert {(o.what, o.why) for o in provenance.omitted} == {
        (what, why) for what in ("p", "p_fwe", "q")
    }
    assert provenance.methods == (f"No p values were computed: {why}.",)


def test_blocks_of_time_of_short_runs_are_refused(tmp_path):
    """.044 of true nulls passed, but in .17 of draws one passed family-wise (docs/calibration.md).

    In blocks of four samples, a run of 39 would have signs enough.
    """

    def short(study):
        table = study["samples"]
        pairs = zip(table["run"], table["row"], strict=True)
        table["unit"] = [f"{run}/{row // 4}" for run, row in pairs]
        table["keep"] &= table["row"] < 43

    study = write_study(tmp_path, scheme="leave-one-run-out", change=short)
    inputs = study["aligned"], study["bold"], study["samples"]
    design = model(alphas={"lowest": 1, "highest": 2, "number": 2}, candidates=2)
    encoding, partition = tmp_path / "streams.h5", tmp_path / "partition.h5"
    fit_subject(encode_settings(design), "01", *inputs, encoding)
    settings = PartitionSettings(
        dataset="planted", model="streams", block=design.design, bands=["dorsal"], device="cpu"
    )
    partition_subject(settings, encoding, *inputs, partition)
    stored, _ = read_partition(partition)
    assert stored.by_unit is None
    assert stored.found.parts.value.shape[1] == 24
    infer_partition(partition, encoding, quick(), None, tmp_path / "out.h5")
    _, provenance = read_partition_test(tmp_path / "out.h5")
    why = "run-01 has 39 samples: how much noise blocks of time share can't be known from fewer"
    assert {o.what for o in provenance.omitted} == {"p", "p_fwe", "q"}
    assert all(o.why.startswith(why) for o in provenance.omitted)


def test_a_partition_of_other_voxels_is_refused(files, tmp_path):
    stored, provenance = read_partition(files[0])
    other = tmp_path / "other.h5"
    write_partition(other, replace(stored, ijk=stored.ijk + 1), provenance)
    with pytest.raises(UserError, match=r"other\.h5: has other voxels than"):
        infer_partition(other, files[1], quick(), None, tmp_path / "out.h5")
