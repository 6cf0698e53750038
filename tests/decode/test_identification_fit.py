"""The stage finds planted layers and regions, gives the API's numbers, and gates imagery."""

import numpy as np
import pandas as pd
import pytest

from helpers.identification_study import Study
from tristream.decode.banded_decoder import BandedFeatureDecoder
from tristream.decode.better_decoder import BetterDecoder
from tristream.decode.contrastive import ContrastiveDecoder
from tristream.decode.feature_decoder import FeatureDecoder
from tristream.decode.identification import identify, profile_correlation
from tristream.decode.item_exchange import IN_TURN
from tristream.errors import UserError

CORRECTED = ["pairwise_p_corrected"]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return Study(tmp_path_factory.mktemp("study"), signal=1.0, imagery=0.0).fit()


def test_each_layer_is_decoded_best_from_its_region(found):
    rows = found[0]
    seen = rows[rows["set"] == "seen"].pivot(index="layer", columns="region", values="pairwise")
    assert seen.loc["early", "V1"] > 0.9
    assert seen.loc["late", "LOC"] > 0.9
    assert seen.loc["early", "LOC"] < 0.75
    assert seen.loc["late", "V1"] < 0.75
    right = rows[(rows["set"] == "seen") & (rows["pairwise"] > 0.9)]
    assert (right["pairwise_p"] < 0.01).all()
    assert (right["pairwise_p_corrected"] >= right["pairwise_p"]).all()
    assert (right["pairwise_p_corrected"] < 0.05).all()
    assert (rows["items"] == np.where(rows["set"] == "seen", 10, 5)).all()
    assert (rows["showings"] == np.where(rows["set"] == "seen", 40, 20)).all()


def test_imagery_without_patterns_is_not_reliable(found):
    rows, _, provenance = found
    imagined = rows[rows["set"] == "imagined"]
    assert (imagined["reliable"] == "no").all()
    assert (imagined["reliability"] < imagined["reliability_threshold"]).all()
    assert rows.loc[rows["set"] == "seen", "reliable"].isna().all()
    # Five items have 120 orders: no p value, and the reason.
    assert imagined["pairwise_p"].isna().all()
    assert imagined["pairwise_chance"].to_numpy() == pytest.approx(0.5, abs=0.02)
    assert any("120 distinct" in one.why for one in provenance.omitted)


def test_imagery_with_patterns_passes_the_gate(tmp_path):
    rows, _, _ = Study(tmp_path, imagery=0.7).fit()
    imagined = rows[(rows["set"] == "imagined") & (rows["layer"] == "early")]
    assert (imagined["reliable"] == "yes").all()
    assert imagined.set_index("region").loc["V1", "pairwise"] > 0.8


def test_imagery_of_which_nothing_is_repeated_is_not_reliable_and_says_why(tmp_path):
    study = Study(tmp_path, imagery=0.7)
    run, first = study.table["run"], study.table["label"].isin(["new0", "new1"])
    once = run == np.where(first, "ses-imagery_run-0", "ses-imagery_run-1")
    study.table["keep"] = ~run.str.startswith("ses-imagery") | once
    rows, _, provenance = study.fit()
    imagined = rows[rows["set"] == "imagined"]
    assert (imagined["reliable"] == "no").all()
    assert imagined[["reliability", "reliability_threshold", "reliability_p"]].isna().all().all()
    why = {one.what: one.why for one in provenance.omitted}
    assert "no item occurs in two runs" in why["reliability of imagined patterns in V1"]


def test_noise_lies_inside_the_interval_of_permuted_items(tmp_path):
    rows, sets, _ = Study(tmp_path, signal=0.0).fit(permutations=2000)
    seen = rows[rows["set"] == "seen"]
    assert (
        (seen["pairwise_low"] <= seen["pairwise"]) & (seen["pairwise"] <= seen["pairwise_high"])
    ).all()
    assert seen["pairwise_chance"].to_numpy() == pytest.approx(0.5, abs=0.01)
    assert (seen["pairwise_p_corrected"] > 0.05).all()
    assert sets.loc[(sets["set"] == "seen") & (sets["n"] == 10), "best_chance"].to_numpy() == (
        pytest.approx(0.1, abs=0.01)
    )


def test_numbers_are_those_of_the_api(tmp_path):
    study = Study(tmp_path)
    rows, _, _ = study.fit(candidates="trained", imagined=["ses-imagery*"])
    x, y, _, train, means = study.samples("early", "V1")
    features = study.layers["early"].astype(np.float32)
    decoder = FeatureDecoder(voxels=20, alpha=10.0).fit(x[train], y[train])
    mean, scale = decoder.y_mean_, decoder.y_scale_
    predicted = (decoder.predict(means) - mean) / scale
    scaled = (features - mean) / scale
    expected = identify(predicted, scaled[60:], scaled[:60], permutations=999)
    _, profile = profile_correlation(predicted, scaled[60:], permutations=999)
    row = rows[(rows["set"] == "seen") & (rows["layer"] == "early") & (rows["region"] == "V1")]
    (row,) = row.to_dict("records")
    assert row["candidates"] == 70
    for name, one in (
        ("pairwise", expected.pairwise),
        ("best", expected.ways[70]),
        ("profile", profile),
    ):
        assert row[name] == pytest.approx(one.value, abs=1e-5)
        assert row[f"{name}_chance"] == pytest.approx(one.chance, abs=1e-5)
        assert row[f"{name}_p"] == pytest.approx(one.p, abs=2e-3)


def test_networks_stand_beside_ridge_regression_with_the_numbers_of_the_api(tmp_path):
    study = Study(tmp_path)
    options = {"loss": "siglip", "epochs": 3, "seeds": 2, "hidden": 8}
    rows, sets, provenance = study.fit(contrastive=options, imagined=["ses-imagery*"])
    alone, _, _ = study.fit(imagined=["ses-imagery*"])
    assert rows["decoder"].tolist() == ["ridge", "ridge", "contrastive", "contrastive"] * 4
    ridge = rows[rows["decoder"] == "ridge"].reset_index(drop=True).drop(columns=CORRECTED)
    pd.testing.assert_frame_equal(ridge, alone.drop(columns=CORRECTED))
    assert set(sets["decoder"]) == {"ridge", "contrastive"}
    x, y, run, train, means = study.samples("early", "V1")
    decoder = ContrastiveDecoder(**options, device="cpu").fit(x[train], y[train], run[train])
    mean, scale = decoder.y_mean_, decoder.y_scale_
    true = (study.layers["early"].astype(np.float32)[60:] - mean) / scale
    predicted = (decoder.predict(means) - mean) / scale
    expected, back = identify(predicted, true), identify(true, predicted)
    keys = {"set": "seen", "layer": "early", "region": "V1", "decoder": "contrastive"}
    (row,) = rows[(rows[list(keys)] == pd.Series(keys)).all(axis=1)].to_dict("records")
    found = {name: row[name] for name in ("pairwise", "top5", "best", "response", "first_response")}
    assert found == pytest.approx(
        {
            "pairwise": expected.pairwise.value,
            "top5": expected.top5.value,
            "best": expected.ways[10].value,
            "response": back.pairwise.value,
            "first_response": back.ways[10].value,
        },
        abs=1e-6,
    )
    assert row["pairwise"] > 0.9
    assert row["pairwise_p"] < 0.01
    assert row["top5_chance"] == pytest.approx(0.5, abs=0.02)
    text = " ".join(provenance.methods)
    assert "2 networks (seed 0) were trained by a logistic loss of each pair" in text
    assert "at most 3, patience 8), that with the lowest loss of this run was kept (epoch " in text


JOINED = "V1+LOC"


@pytest.fixture(scope="module")
def joined(tmp_path_factory):
    return Study(tmp_path_factory.mktemp("joined"), signal=0.5).fit(banded=True)


def test_all_regions_together_are_decoded_in_three_ways(joined):
    rows, sets, _ = joined
    seen = rows[(rows["set"] == "seen") & (rows["layer"] == "early")]
    places = ["V1", "LOC", *[JOINED] * 3]
    assert seen["region"].tolist() == places
    assert seen["decoder"].tolist() == ["ridge"] * 3 + ["banded", "better"]
    assert seen["voxels"].tolist() == [30, 30, 60, 60, 60]
    right = seen.set_index(["region", "decoder"])["pairwise"]
    assert (right[JOINED] > 0.8).all()
    # p of all cells are corrected for all, the largest of each permutation.
    assert (seen["pairwise_p_corrected"] >= seen["pairwise_p"]).all()
    assert set(sets["decoder"]) == {"ridge", "banded", "better"}
    imagined = rows[(rows["set"] == "imagined") & (rows["region"] == JOINED)]
    assert (imagined["reliable"] == "no").all()
    assert imagined["reliability"].notna().all()


def test_the_rows_of_regions_are_those_without_the_option(joined, tmp_path):
    rows, _, _ = joined
    alone, _, _ = Study(tmp_path, signal=0.5).fit()
    changed = [*CORRECTED, "reliability_threshold", "reliability_p"]
    kept = rows[rows["region"] != JOINED].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept.drop(columns=changed), alone.drop(columns=changed))
    assert (kept["pairwise_p_corrected"].dropna() >= alone["pairwise_p_corrected"].dropna()).all()


def test_decoders_of_all_regions_have_the_numbers_of_the_api(joined, tmp_path):
    rows, _, provenance = joined
    study = Study(tmp_path, signal=0.5)
    taken = []
    for layer in ("early", "late"):
        x, y, run, train, means = zip(
            *[study.samples(layer, region) for region in ("V1", "LOC")], strict=True
        )
        x, means = np.hstack(x), np.hstack(means)
        (y, run, train), features = (y[0], run[0], train[0]), study.layers[layer]
        banded = BandedFeatureDecoder({"V1": np.arange(30), "LOC": np.arange(30, 60)}, device="cpu")
        plain = FeatureDecoder(voxels=20, alpha=10.0, device="cpu")
        found = BetterDecoder(plain, banded).fit(x[train], y[train], run[train])
        taken.append(int(found.banded_.sum()))
        for name, decoder in (("better", found), ("banded", found.banded_decoder_)):
            true = (features.astype(np.float32)[60:] - found.y_mean_) / found.y_scale_
            predicted = (decoder.predict(means) - found.y_mean_) / found.y_scale_
            keys = {"set": "seen", "layer": layer, "region": JOINED, "decoder": name}
            (row,) = rows[(rows[list(keys)] == pd.Series(keys)).all(axis=1)].to_dict("records")
            assert row["pairwise"] == pytest.approx(identify(predicted, true).pairwise.value)
    text = " ".join(provenance.methods)
    few, many = min(taken), max(taken)
    range_of = f" (the least, over layers and fits) to {many} of 12" if few != many else ""
    for part in (
        "From the voxels of all 2 regions together (V1+LOC) units were decoded in the same way",
        "with the regions (V1, LOC) as bands [@dupre2022]: weights of the bands, among 20 "
        "candidates, and the penalty, among 7, were chosen for each unit by R² in training runs "
        "that were left out in turn (5 groups of runs)",
        "fitted anew, their own choices included, without each of 5 groups of training runs",
        f"Banded ridge regression was taken for {few} of 12{range_of} units.",
        "p by the largest of all 3 places, the regions and all together, in each permutation",
    ):
        assert part in text


def test_noise_has_no_small_corrected_p_among_all_decoders(tmp_path):
    rows, _, _ = Study(tmp_path, signal=0.0).fit(banded=True, permutations=2000)
    seen = rows[rows["set"] == "seen"]
    assert len(seen) == 10
    assert seen["pairwise_chance"].to_numpy() == pytest.approx(0.5, abs=0.02)
    assert (seen["pairwise_p_corrected"] > 0.05).all()


def test_networks_stand_beside_the_decoders_of_all_regions(tmp_path):
    options = {"epochs": 1, "seeds": 1, "hidden": 0}
    rows, _, provenance = Study(tmp_path).fit(banded=True, contrastive=options, imagined=[])
    own = rows[(rows["region"] == JOINED) & (rows["layer"] == "early")]
    assert own["decoder"].unique().tolist() == ["ridge", "banded", "better", "contrastive"]
    text = " ".join(provenance.methods)
    assert "On the same samples and all voxels, 1 network (seed 0)" in text
    assert "Banded ridge regression was taken" in text


def test_the_better_decoder_needs_three_training_runs(tmp_path):
    study = Study(tmp_path)
    keep = [f"ses-train_run-{k}" for k in (0, 1)]
    keep += [run for run in study.bold if run.startswith("ses-test")]
    study.table = study.table[study.table["run"].isin(keep)]
    study.bold = {run: study.bold[run] for run in keep}
    with pytest.raises(UserError, match=r"samples\.tsv: .* nested in training runs needs 3"):
        study.fit(imagined=[], banded=True)


def test_networks_need_a_training_run_to_leave_out(tmp_path):
    study = Study(tmp_path)
    keep = ["ses-train_run-0", *(run for run in study.bold if run.startswith("ses-test"))]
    study.table = study.table[study.table["run"].isin(keep)]
    study.bold = {run: study.bold[run] for run in keep}
    with pytest.raises(
        UserError, match=r"samples\.tsv: .* one training run; a contrastive decoder"
    ):
        study.fit(imagined=[], contrastive={})


def test_own_candidates_that_were_never_shown(tmp_path):
    rng = np.random.default_rng(5)
    paths = []
    for name in ("early", "late"):
        paths.append(tmp_path / f"net_{name}.npy")
        np.save(paths[-1], rng.standard_normal((300, 12)))
    rows, sets, provenance = Study(tmp_path).fit(candidates=str(tmp_path), own=paths)
    seen = rows[rows["set"] == "seen"]
    assert (seen["candidates"] == 310).all()
    assert sets["n"].max() == 310
    assert any("never shown" in text for text in provenance.methods)
    np.save(paths[1], np.zeros((300, 5)))
    with pytest.raises(UserError, match=r"net_late\.npy: has shape \(300, 5\).*12 units"):
        Study(tmp_path).fit(candidates=str(tmp_path), own=paths)


def test_categories_that_are_trained_show_in_the_audit(tmp_path):
    study = Study(tmp_path)
    rows, _, _ = study.fit()
    assert (rows["shared_categories"] == 0).all()
    assert rows["category_pairwise"].isna().all()
    study.table["label"] = study.table["label"].replace({"new0": "c00", "new1": "c01"})
    study.table = study.table[~study.table["run"].str.startswith("ses-imagery")]
    study.bold = {run: x for run, x in study.bold.items() if "imagery" not in run}
    rows, _, _ = study.fit(imagined=[])
    assert rows["shared_categories"].to_numpy() == pytest.approx(0.2)
    assert rows["category_pairwise"].between(0, 1).all()


def left_out_in_turn(study):
    """Seven runs, each of ten items of its own."""
    keep = study.table["run"].str.startswith(("ses-train", "ses-test_run-0"))
    study.table = study.table[keep].assign(split="each")
    study.bold = {run: x for run, x in study.bold.items() if run in set(study.table["run"])}
    return study


def test_leave_one_run_out_never_trains_on_what_it_tests(tmp_path):
    study = left_out_in_turn(Study(tmp_path))
    rows, _, provenance = study.fit(imagined=[], alpha="cv", permutations=2000)
    own = rows[(rows["layer"] == "early") & (rows["region"] == "V1")]
    assert own["pairwise"].item() > 0.9
    assert own["items"].item() == 70
    assert own["candidates"].item() == 10
    assert own["drawn_pairwise"].item() == pytest.approx(0.5, abs=0.02)
    assert any("Each run was held out once" in text for text in provenance.methods)


def test_leave_one_run_out_has_values_and_chance_but_no_p(tmp_path):
    study = left_out_in_turn(Study(tmp_path, signal=0.0))
    rows, sets, provenance = study.fit(imagined=[])
    tested = rows.filter(regex="^(profile|pairwise|best|top5|response|first_response)(_|$)")
    refused = tested.filter(regex="_(p|low|high|p_corrected)$")
    assert refused.shape == (4, 19)
    assert refused.isna().all(axis=None)
    assert tested.drop(columns=refused.columns).notna().all(axis=None)
    assert rows["pairwise_chance"].to_numpy() == pytest.approx(0.5, abs=0.02)
    # Items of the other runs trained the decoder, so that they are no candidates.
    assert sets["n"].max() == 10
    (omitted,) = [one for one in provenance.omitted if one.what.startswith("p of")]
    assert omitted.why == IN_TURN
    text = " ".join(provenance.methods)
    for part in (
        "among the items of its run as that whose features, z-scored by all presentations,",
        "over the 1 showing of an item in a run",
        f"There is neither p value nor interval: {IN_TURN}.",
    ):
        assert part in text
    assert "p is (1 +" not in text


def test_leave_one_run_out_names_all_items_where_candidates_are_trained(tmp_path):
    study = left_out_in_turn(Study(tmp_path))
    rows, _, provenance = study.fit(imagined=[], candidates="trained")
    assert (rows["candidates"] == 70).all()
    assert rows["pairwise_p"].isna().all()
    assert "among the items of all runs" in " ".join(provenance.methods)


def test_a_run_of_one_item_has_no_candidates_if_it_is_left_out_in_turn(tmp_path):
    study = left_out_in_turn(Study(tmp_path))
    alone = study.table["run"] == "ses-train_run-0"
    study.table.loc[alone, "item"] = "train00"
    with pytest.raises(UserError, match=r"a run shows one item, .* hold runs out for good"):
        study.fit(imagined=[])


def test_imagined_items_are_tested_where_seen_runs_are_left_out_in_turn(tmp_path):
    study = Study(tmp_path, imagery=0.7)
    seen = study.table["run"].str.startswith(("ses-train", "ses-test_run-0"))
    imagined = study.table["run"].str.startswith("ses-imagery")
    study.table = study.table[seen | imagined].assign(split="each")
    study.bold = {run: x for run, x in study.bold.items() if run in set(study.table["run"])}
    rows, _, provenance = study.fit()
    assert rows.loc[rows["set"] == "imagined", "pairwise_low"].notna().all()
    assert rows.loc[rows["set"] == "seen", "pairwise_low"].isna().all()
    text = " ".join(provenance.methods)
    assert "Of imagined items, which trained no decoder: Under the null hypothesis" in text


def test_methods_tell_what_was_done(found):
    text = " ".join(found[2].methods)
    for part in (
        "units of net were decoded from V1, LOC",
        "its 20 voxels of largest |r| (penalty 10)",
        "fitted to the training runs and tested on the held-out runs",
        "averaged over the 4 showings",
        "permuted 999 times",
        "took the mean features of the images of their label",
        "[@shirakawa2025]",
        "permuted within each run (p by the largest of all 2 regions in each permutation); where p "
        "exceeds .05 or there is none, identification of imagined items is not taken as evidence",
    ):
        assert part in text
    assert "later" not in text


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (
            lambda s: s.items.__setitem__(3, "other"),
            {},
            r"early\.h5: holds no features of 'train03'",
        ),
        (lambda s: None, {"regions": ["V9"]}, r"has no region 'V9' \(it has V1, LOC\)"),
        (
            lambda s: [x[:, :30].fill(np.nan) for x in s.bold.values()],
            {},
            "no voxel of region 'V1' has finite values",
        ),
        (lambda s: None, {"imagined": ["ses-dream*"]}, "no run is 'ses-dream\\*'"),
        (lambda s: None, {"imagined": ["ses-train*"]}, "used for training"),
    ],
)
def test_faults_are_one_readable_line(tmp_path, change, options, message):
    study = Study(tmp_path)
    change(study)
    with pytest.raises(UserError, match=message) as caught:
        study.fit(**options)
    assert "\n" not in str(caught.value)


def test_items_that_are_all_trained_are_refused(tmp_path):
    study = Study(tmp_path)
    study.table = study.table[~study.table["run"].str.startswith("ses-imagery")]
    study.bold = {run: x for run, x in study.bold.items() if "imagery" not in run}
    trained = study.table["split"] == "train"
    study.table.loc[trained, "item"] = "test" + (np.arange(trained.sum()) % 10).astype(str).astype(
        object
    )
    study.table.loc[trained, "label"] = "x"
    with pytest.raises(UserError, match="every item is also shown where the test runs"):
        study.fit(imagined=[])


def test_one_run_alone_is_refused(tmp_path):
    study = Study(tmp_path)
    study.table = study.table[study.table["run"] == "ses-train_run-0"].assign(split="each")
    study.bold = {"ses-train_run-0": study.bold["ses-train_run-0"]}
    with pytest.raises(UserError, match="only one run"):
        study.fit(imagined=[])
