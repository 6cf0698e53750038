"""Networks of brain and label on a subject's page: regimes, layers and Grad-CAM, from the file."""

import numpy as np
import pandas as pd
import pytest

from helpers import report_tree
from tristream.encode.regime_pictures import Picture
from tristream.networks.regimes_file import KIND, NetworkRegimes, write_regimes
from tristream.report.declared import declared
from tristream.report.elements import Figure, Table
from tristream.report.sections.networks import section
from tristream.report.study_results import Results
from tristream.store import Provenance

REGIMES = ("frozen", "joint")
NETWORKS = {"films": {"datasets": ["bunny"], "network": "two_stream", "regimes": list(REGIMES)}}


@pytest.fixture
def results(tmp_path):
    resolved = report_tree.read_study(report_tree.write_study(tmp_path, networks=NETWORKS))
    return Results(resolved, tmp_path / "results/report")


def found(embedding=True):
    rng = np.random.default_rng(0)
    rows = [
        {
            "seed": seed,
            "regime": regime,
            "brain": 0.1 * (1 + place) + 0.01 * seed,
            "label": 0.7,
            "best_epoch": 3,
            "left_out": "run-1",
        }
        for seed in range(3)
        for place, regime in enumerate(REGIMES)
    ]
    layers = {f"{name}_{axis}": rng.random(12) for name in ("first", *REGIMES) for axis in "xy"}
    maps = {regime: rng.random((8, 8)) for regime in REGIMES}
    null = {regime: [0.5, 0.4, 0.6] for regime in REGIMES}
    return NetworkRegimes(
        name="films",
        network="two_stream",
        classes=["cat", "dog"],
        test=["run-4"],
        learnt=60,
        tested=12,
        scores=pd.DataFrame(rows),
        correlation={regime: rng.random((3, 5)) for regime in REGIMES},
        column=np.arange(5),
        chance=0.5,
        null=pd.DataFrame.from_dict(null, orient="index", columns=["mean", "low", "high"]),
        embedding=pd.DataFrame({"label": ["cat", "dog"] * 6} | layers) if embedding else None,
        pictures=[Picture(0, "cat", 2, rng.random((3, 8, 8)), maps, maps)] if embedding else [],
        titles=["a.mp4 at 3.0 s"] if embedding else [],
    )


def write(results, **how):
    path = results.path("network_regimes", dataset="bunny", network="films", subject="01")
    write_regimes(path, found(**how), Provenance(KIND, True, methods=("Trained by a test.",)))


def test_regimes_layers_and_maps_are_shown(results):
    write(results)
    blocks = section(results, "bunny", "01").blocks
    drawn = [block for block in blocks if isinstance(block, Figure)]
    assert [figure.png.rpartition("/")[2] for figure in drawn] == [
        "regimes_films.png",
        "layers_films.png",
        "gradcam_films_0.png",
    ]
    for figure in drawn:
        assert (results.root / "report" / figure.png).stat().st_size > 5000
        assert len(pd.read_table(results.root / "report" / figure.tsv)) > 5
    assert "a.mp4 at 3.0 s" in drawn[2].title
    (table,) = [block for block in blocks if isinstance(block, Table)]
    joint = dict(zip(table.columns, table.rows[1], strict=True))
    assert joint["gain"] == "0.100 ± 0.000"
    assert joint["chance, measured"] == "0.500 (0.400 to 0.600)"


def test_what_a_network_does_not_have_is_left_out(results):
    write(results, embedding=False)
    drawn = [block for block in section(results, "bunny", "01").blocks if isinstance(block, Figure)]
    assert len(drawn) == 1


def test_a_network_that_was_not_trained_is_named(results):
    assert "Network films" in " ".join(map(str, section(results, "bunny", "01").blocks))
    places = {one.place for one in declared(results.resolved, results.spaces)}
    assert "network_regimes" in places
