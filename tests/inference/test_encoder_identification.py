"""Blocks of a film are identified by the responses that a fitted model predicts, and only these."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from helpers.encoding_files import encode_settings, model, write_study
from tristream.bold.run_file import read_run, write_run
from tristream.config.identification import IdentificationDesign
from tristream.config.settings.identification import IdentificationSettings
from tristream.decode.identification import identify
from tristream.decode.identification_file import read_identification
from tristream.decode.item_exchange import IN_TURN
from tristream.encode.encoding_file import read_encoding
from tristream.encode.fit import fit_subject
from tristream.errors import UserError
from tristream.inference.encoder_identification import identify_by_encoder

BLOCK, DELAY = 6, 2
REGIONS = {"driven": np.arange(8, dtype=np.int32), "others": np.arange(8, 24, dtype=np.int32)}


def divided(study):
    """Time blocks of six volumes: twenty in the test clip."""
    table = study["samples"]
    table["unit"] = table["run"] + "/" + (table["row"] // BLOCK).astype(str)


@pytest.fixture(scope="module", params=["holdout", "leave-one-run-out"])
def fitted(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    study = write_study(folder, request.param, change=divided)
    settings = encode_settings(model(bands={"ventral": ["net"]}, candidates=1))
    aligned = [path for path in study["aligned"] if path.name.startswith("net")]
    path = folder / "encoding.h5"
    fit_subject(settings, "01", aligned, study["bold"], study["samples"], path)
    bold = study["bold"][-1]
    write_run(bold, replace(read_run(bold), regions=REGIONS), {})
    return study, path, request.param == "leave-one-run-out"


def found(fitted, folder, unit="time", **options):
    study, encoding, _ = fitted
    given = {"delay": f"{DELAY} s", "permutations": 999, **options}
    settings = IdentificationSettings(
        dataset="planted",
        identification="clips",
        block=IdentificationDesign(model="streams", **given),
        unit=unit,
        device="cpu",
    )
    paths = [folder / "rows.tsv", folder / "sets.tsv"]
    identify_by_encoder(encoding, study["bold"][-1], study["samples"], *paths, settings)
    rows, provenance = read_identification(paths[0])
    return rows, read_identification(paths[1])[0], provenance


def test_blocks_are_identified_where_the_model_predicts(fitted, tmp_path):
    rows, sets, provenance = found(fitted, tmp_path, regions=["driven", "others"])
    driven, others = rows.to_dict("records")
    assert driven["pairwise"] > 0.9
    assert driven["response"] > 0.9
    assert driven["mean_pairwise"] == pytest.approx(0.5)
    if fitted[2]:
        refused = rows.filter(regex="^(profile|pairwise|best|top5|.*response)_(low|high|p.*)$")
        assert refused.shape == (2, 19)
        assert refused.isna().all(axis=None)
        assert [one.why for one in provenance.omitted if one.what.startswith("p of")] == [IN_TURN]
    else:
        assert driven["pairwise_p_corrected"] <= 0.01
        # What the model can't predict: inside what permuted items give.
        for name in ("pairwise", "response", "profile"):
            assert others[f"{name}_low"] <= others[name] <= others[f"{name}_high"]
    assert rows["pairwise_chance"].to_numpy() == pytest.approx(0.5, abs=0.02)
    grown = sets[sets["region"] == "driven"]
    assert grown["best"].is_monotonic_decreasing
    assert grown["n"].max() == driven["candidates"]
    assert (driven["candidates"] < driven["items"]) == fitted[2]
    text = " ".join(provenance.methods)
    for part in (
        "volumes of a time block, taken 2 s later",
        f"over {driven['showings'] // driven['items']} showing",
        "voxels of driven, others, with the responses that encoding model streams predicts",
        "[@kay2008]",
        "permuted 999 times",
        f"neither p value nor interval: {IN_TURN}"
        if fitted[2]
        else "largest figure of all regions",
        "predicts for all items of its run" if fitted[2] else "predicts for all of them",
    ):
        assert part in text


def test_numbers_are_those_of_the_api(fitted, tmp_path):
    rows, _, _ = found(fitted, tmp_path, regions=["driven"])
    measured, predicted, run = [], [], []
    for name, held in read_encoding(fitted[1])[0].tests.items():
        block = (held.rows - DELAY) // BLOCK
        for number in range(block.min(), block.max() + 1):
            measured.append(held.y[block == number][:, :8].mean(0))
            predicted.append(held.prediction[block == number][:, :8].mean(0))
            run.append(name)
    among = np.equal.outer(run, run) if fitted[2] else None
    expected = identify(np.array(measured), np.array(predicted), permutations=0, among=among)
    assert rows["items"].item() == len(measured)
    assert rows["pairwise"].item() == pytest.approx(expected.pairwise.value, abs=1e-9)
    assert rows["top5"].item() == pytest.approx(expected.top5.value, abs=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        # The film is one item, which all runs show.
        ({"unit": "item"}, r"encoding\.h5: identification clips: 0 items .* that it was fitted to"),
        ({"regions": ["V9"]}, r"has no region 'V9' \(it has driven, others\)"),
    ],
)
def test_faults_are_one_readable_line(fitted, tmp_path, options, message):
    with pytest.raises(UserError, match=message) as caught:
        found(fitted, tmp_path, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"model": "m", "features": ["net"]}, "name `features` that are decoded, or the `model`"),
        ({}, "name `features`"),
        ({"model": "m", "voxels": 100}, "voxels: is of decoded features"),
        ({"model": "m", "contrastive": {}}, "contrastive: is of decoded features"),
        ({"model": "m", "banded": True}, "banded: is of decoded features"),
        ({"features": ["f"], "banded": True}, "regions are its bands; name two `regions` or more"),
        (
            {"features": ["f"], "banded": True, "regions": ["V1", "V1"]},
            "regions are its bands; name two `regions` or more",
        ),
    ],
)
def test_a_block_decodes_features_or_takes_a_model(keys, message):
    with pytest.raises(ValidationError, match=message):
        IdentificationDesign(**keys)
