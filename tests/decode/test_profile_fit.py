"""Spheres, regions and times from files: what the API gives, planted signal, and what can't be."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from helpers.run_files import write_values
from tristream.bold.run_file import read_run
from tristream.config.decoders import Decoder, DecoderDesign
from tristream.config.settings.profile import ProfileSettings
from tristream.decode.decoding_samples import read_samples
from tristream.decode.profile_file import Profile, read_profile
from tristream.decode.profile_fit import fit, read_windows
from tristream.decode.profiles import regions, searchlight, searchlight_in
from tristream.errors import UserError
from tristream.space.grayordinates import LEFT, Grayordinates
from tristream.space.mesh_faces import mesh_middles
from tristream.space.meshes import FSAVERAGE5_VERTICES
from tristream.space.neighbourhoods import along_mesh
from tristream.store import Provenance, write_table

RUNS, BLOCKS, EVERY = 6, 8, 6
VOXELS = 30
DESIGN = DecoderDesign(
    kind="ridge", samples="blocks", regularization=10, permutations=29, delay="0 s"
)
"""A block of two volumes every six; its label is in the first ten voxels, two volumes later."""


class Study:
    """Files of one subject; `signal` is of the label, `repeated` gives each run one order."""

    def __init__(self, folder, signal: float = 2.0, later: int = 2) -> None:
        rng = np.random.default_rng(0)
        self.folder, self.bold, tables = folder, [], []
        for number in range(RUNS):
            name = f"run-{number}"
            n = BLOCKS * EVERY + 8
            values = rng.standard_normal((n, VOXELS))
            label = np.full(n, "", object)
            unit = label.copy()
            for k, y in enumerate(rng.permutation([0, 1] * (BLOCKS // 2))):
                rows = 4 + k * EVERY + np.arange(2)
                label[rows], unit[rows] = "ab"[y], f"{name}/{k}"
                values[rows + later, :10] += signal * (y - 0.5)
            regions = {"A": np.arange(10, dtype=np.int32), "B": np.arange(10, 30, dtype=np.int32)}
            self.bold.append(write_values(folder / f"{name}.h5", values, regions=regions))
            given = {"run": name, "row": np.arange(n), "time": np.arange(n) * 2.0, "item": label}
            given |= {"exchange": label, "label": label, "unit": unit, "split": "each"}
            given |= {"repeat": "", "censor": False, "keep": label != "", "average": ""}
            tables.append(pd.DataFrame(given))
        self.samples = folder / "samples.tsv"
        self.table = pd.concat(tables, ignore_index=True)
        self.write()

    def bring(self, **changes) -> None:
        """Write the run files again, of voxels that lie elsewhere."""
        for path in self.bold:
            write_values(path, read_run(path).bold, **changes)

    def write(self) -> None:
        write_table(self.samples, self.table, Provenance("samples", False, methods=("Made.",)))

    def fit(self, **parts) -> tuple[Profile, Provenance]:
        settings = settings_of(**parts)
        output = self.folder / "out.h5"
        fit(self.bold, self.samples, output, settings)
        return read_profile(output)


def settings_of(block: DecoderDesign = DESIGN, unit="block", **parts) -> ProfileSettings:
    return ProfileSettings(dataset="d", decoder="ab", block=block, unit=unit, **parts)


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    return Study(tmp_path_factory.mktemp("parts"))


def test_times_show_when_and_a_null_stays_a_null(study, tmp_path) -> None:
    found, written = study.fit(times=(-4, 10))
    np.testing.assert_array_equal(found.times, np.arange(-4, 11, 2))
    # The label stands in the volumes at 4 and 6 s after the onset, and nowhere else.
    assert found.times[found.p_fwe <= 0.05].tolist() == [4, 6]
    assert np.abs(found.chance - 0.5).max() < 0.05
    text = " ".join(written.methods)
    assert "each of 8 times from -4 to 10 s after the onset, of 48 blocks" in text
    assert "all 8 times by the largest accuracy under each of 29 permutations" in text
    assert written.omitted == ()
    nothing, _ = Study(tmp_path, signal=0).fit(times=(-4, 10))
    assert nothing.p_fwe.min() > 0.05
    assert nothing.p.min() < nothing.p_fwe.min()


def test_blocks_in_rounds_are_called_blocks(study) -> None:
    text = " ".join(study.fit(unit="round", regions="all")[1].methods)
    assert "of labels of whole blocks within runs and rounds that show every label once" in text


def test_regions_and_spheres_are_those_of_the_api(study) -> None:
    block = DESIGN.model_copy(update={"delay": "4 s"})
    given = read_samples(study.bold, study.samples, block, "block")
    direct = regions(given, {"A": np.arange(10), "B": np.arange(10, 30)}, block)
    found, _ = study.fit(block=block, regions="all")
    assert found.names == ["A", "B"]
    assert found.size.tolist() == [10, 20]
    for key in ("accuracy", "chance", "p", "p_fwe", "largest"):
        np.testing.assert_array_equal(getattr(found, key), getattr(direct, key))
    assert found.p_fwe[0] == pytest.approx(1 / 30)
    assert found.p_fwe[1] > 0.05
    assert study.fit(block=block, regions=["B"])[0].names == ["B"]
    spheres, written = study.fit(block=block, searchlight=2.0)
    alone = searchlight(given, given.ijk.astype(float), 2.0, block)
    np.testing.assert_array_equal(spheres.p_fwe, alone.p_fwe)
    np.testing.assert_array_equal(spheres.ijk, given.ijk)
    # Voxels lie on a diagonal, 1.7 mm from the next: a sphere has three, and reaches one too far.
    assert np.median(spheres.size) == 3
    assert (spheres.p_fwe[:9] <= 0.05).all()
    assert (spheres.p_fwe[11:] > 0.05).all()
    assert "the sphere of 2 mm around each of 30 voxels" in " ".join(written.methods)


def test_blocks_without_a_whole_window_are_left_out_and_counted(study) -> None:
    long, written = study.fit(times=(-10, 4))
    assert len(long.names) == 8
    assert [str(one.what) for one in written.omitted] == ["6 of 48 blocks"]
    windows = read_windows(study.bold, study.samples, settings_of(times=(-10, 4)))
    assert len(windows.samples.label) == 42
    # The last block's volumes at the onset are those of the file, two volumes after its first.
    with pytest.raises(UserError, match=r"no block of run-0 has all volumes from -200 to 4 s"):
        study.fit(times=(-200, 4))


def test_a_voxel_that_is_not_finite_is_in_no_part(tmp_path) -> None:
    study = Study(tmp_path)
    lost = np.random.default_rng(3).standard_normal((BLOCKS * EVERY + 8, VOXELS))
    lost[:, 3] = np.nan
    parts = {"A": np.arange(10, dtype=np.int32), "C": np.array([3], np.int32)}
    write_values(study.bold[0], lost, regions=parts)
    found, _ = study.fit(regions=["A"])
    assert found.size.tolist() == [9]
    with pytest.raises(UserError, match=r"region 'C': it has no voxel with data; leave it out"):
        study.fit(regions=["C"])
    assert 3 not in study.fit(searchlight=2.0)[0].ijk[:, 0]


def test_what_can_not_be_decoded_from_is_one_clear_line(study, tmp_path) -> None:
    with pytest.raises(UserError, match=r"run-0.h5: has no region 'V9' \(it has A, B\)"):
        study.fit(regions=["V9"])
    with pytest.raises(UserError, match="names no `searchlight`, `regions` or `times`"):
        study.fit()
    with pytest.raises(ValueError, match="write them rising"):
        Decoder(kind="ridge", samples="blocks", datasets=[], times=(4, 4))
    few = DESIGN.model_copy(update={"permutations": 0})
    found, written = study.fit(block=few, regions="all")
    assert np.isnan(found.p_fwe).all()
    assert "permutations: 0" in found.refusal
    assert "These accuracies have no p value" in " ".join(written.methods)
    surface = Study(tmp_path)
    surface.bring(grayordinates=Grayordinates(np.zeros(VOXELS, np.int8), (LEFT,), (VOXELS,)))
    with pytest.raises(UserError, match="no mesh of CORTEX_LEFT is at hand"):
        surface.fit(searchlight=2.0)
    surface.bring(shape=(VOXELS, 0, 0))
    with pytest.raises(UserError, match="does not say where its voxels are"):
        surface.fit(searchlight=2.0)


def test_on_a_surface_neighbours_are_those_along_the_mesh(tmp_path) -> None:
    """Ten vertices about one that know the label, and twenty about one that is far from it."""
    study, mesh = Study(tmp_path), mesh_middles((FSAVERAGE5_VERTICES,), None)[LEFT]
    order = [np.argsort(np.linalg.norm(mesh.points - mesh.points[k], axis=1)) for k in (100, 5000)]
    ijk = np.zeros((VOXELS, 3), np.int32)
    ijk[:, 0] = [*order[0][:10], *order[1][:20]]
    where = Grayordinates(np.zeros(VOXELS, np.int8), (LEFT,), (FSAVERAGE5_VERTICES,))
    study.bring(ijk=ijk, grayordinates=where, shape=(0, 0, 0))
    block = DESIGN.model_copy(update={"delay": "4 s"})
    found, written = study.fit(block=block, searchlight=6.0)
    given = read_samples(study.bold, study.samples, block, "block")
    direct = searchlight_in(given, along_mesh(mesh, ijk[:, 0], 6.0), block)
    np.testing.assert_array_equal(found.accuracy, direct.accuracy)
    np.testing.assert_array_equal(found.p_fwe, direct.p_fwe)
    assert (found.p_fwe[:10] <= 0.05).all()
    assert (found.p_fwe[10:] <= 0.05).sum() <= 1
    assert found.over == "neighbourhoods"
    assert found.grayordinates is not None
    assert found.grayordinates.vertices == (FSAVERAGE5_VERTICES,)
    np.testing.assert_array_equal(found.ijk, ijk)
    text = " ".join(written.methods)
    assert "in the vertices within 6 mm of each of 30 vertices, along the edges of the mesh" in text
    assert "corrected for all 30 neighbourhoods" in text


def test_the_decoder_itself_does_not_know_its_parts() -> None:
    block = Decoder(kind="ridge", samples="blocks", datasets=["d"], searchlight=8, regions="all")
    assert block.profiles == ["searchlight", "region_profile"]
    assert block.design == DecoderDesign(kind="ridge", samples="blocks")


def test_the_file_gives_back_what_was_written(study) -> None:
    found, written = study.fit(regions="all")
    again, _ = read_profile(study.folder / "out.h5")
    assert written.kind == "decoding-profile"
    assert replace(again, names=[]).over == "regions"
    for key, value in vars(found).items():
        np.testing.assert_array_equal(getattr(again, key), value)
