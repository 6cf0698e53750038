"""Power analyses: what a study that is still to be scanned could find, a page each."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure as Drawing

from tristream.config.power import Power
from tristream.maps.style import OTHER_COLOURS, SIMULATED
from tristream.power.answer import answers, is_liberal
from tristream.power.power_file import COLUMNS, PlannedStudy, read_power
from tristream.report.elements import Block, Link, Page, Section, Table, Text, facts
from tristream.report.references import resolve
from tristream.report.report_figures import MARK
from tristream.report.study_results import Results
from tristream.store import Provenance

WANTED = 0.8
CONTROL = "#999999"


def jobs(results: Results) -> list[partial[Page]]:
    """One job a page; none where the study names no design."""
    return [partial(page, results, name) for name in results.resolved.study.power]


def index(results: Results) -> list[Block]:
    """Links to the pages; nothing where there are none."""
    if not results.resolved.study.power:
        return []
    rows = [
        (Link(name, page_of(name)), ", ".join(block.events or block.aligned), block.voxels)
        for name, block in results.resolved.study.power.items()
    ]
    return [Table("Designs that were tried", ("design", "files", "voxels"), tuple(rows))]


def page_of(name: str) -> str:
    """File of a design's page."""
    return f"power_{name}.html"


def page(results: Results, name: str) -> Page:
    """What one design could find."""
    out = Page(page_of(name), name, "Power before scanning", f"{SIMULATED}: nothing was measured")
    block = results.resolved.study.power[name]
    path = results.path("power_table", power=name)
    gone = results.missing(f"Power of {name}", path)
    if gone:
        out.sections = [Section("answer", "Answer", gone)]
        return out
    table, planned, provenance = read_power(results.path("power", power=name))
    notes = results.read(path, provenance)
    out.sections = [
        Section("answer", "Answer", [*_answer(table, block), *notes]),
        Section("figures", "Over effect size, runs and subjects", _figures(results, name, table)),
        Section("calibration", "Error rates", _calibration(table)),
        Section("design", "Design and assumptions", [_design(block, planned)]),
        Section("methods", "Methods", _methods(provenance)),
        Section("numbers", "All numbers", [_numbers(results, path, table)]),
    ]
    return out


def _answer(table: pd.DataFrame, block: Power) -> list[Block]:
    one = table[(table["subjects"] == 1) & (table["repeats"] == table["repeats"].min())]
    runs = int(one["training_runs"].max())
    decoded = one[(one["training_runs"] == runs) & one["accuracy"].notna() & (one["effect"] > 0)]
    lines: list[Block] = [Text(line) for line in answers(table, WANTED)]
    lines.append(
        Text(
            "Power is the share of driven voxels of one subject that the study's own test finds, "
            f"after its correction for all {block.voxels:,} voxels, of which "
            f"{block.driven_voxels:,} are driven; the effect is the correlation of a driven "
            "voxel's noise-free signal with one run of its BOLD."
        )
    )
    if not decoded.empty:
        accuracies = ", ".join(
            f"{row.accuracy:.0%} at {row.effect:g}" for row in decoded.itertuples()
        )
        chance = float(decoded["chance"].mean())
        lines.append(
            Text(
                f"With {runs} training runs a ridge classifier of {sum(block.simulated_voxels)} "
                f"voxels, {block.simulated_voxels[1]} of them driven, names {accuracies} of "
                f"the test trials (chance, measured: {chance:.0%})."
            )
        )
    return lines


def _figures(results: Results, name: str, table: pd.DataFrame) -> list[Block]:
    least = table["repeats"].min()
    one = table[(table["subjects"] == 1) & (table["repeats"] == least)]
    blocks = [
        _curves(
            results,
            name,
            "power",
            one,
            "Power over effect size",
            "share of driven voxels found",
            "Each line is a number of training runs, with a 95 % interval over simulated subjects; "
            "the dashed line is 80 %. At an effect of 0 nothing is there to be found.",
        ),
        _curves(
            results,
            name,
            "r",
            one,
            "Test correlation over effect size",
            "mean test r of driven voxels",
            "Each line is a number of training runs; the grey line is the ceiling, which a perfect "
            "model would reach. The gap is what more training runs can win.",
        ),
    ]
    if one["accuracy"].notna().any():
        caption = (
            "Each line is a number of training runs, with a 95 % interval over simulated subjects; "
            "the dashed line is the accuracy under permuted labels."
        )
        title = "Decoder accuracy over effect size"
        blocks.append(
            _curves(results, name, "accuracy", one, title, "share of trials right", caption)
        )
    blocks.append(_repeats(results, name, table))
    return blocks


def _curves(
    results: Results,
    name: str,
    value: str,
    table: pd.DataFrame,
    title: str,
    label: str,
    caption: str,
) -> Block:
    """One line a number of training runs."""
    drawing, axes = plt.subplots(figsize=(5.2, 3.6), layout="constrained")
    if value == "r":
        ceiling = table.drop_duplicates("effect")
        axes.plot(ceiling["effect"], ceiling["ceiling"], color=CONTROL, label="ceiling")
    level = {"power": WANTED, "accuracy": float(table["chance"].mean())}.get(value)
    if level is not None:
        axes.axhline(level, color=MARK, linestyle="--", linewidth=1)
    groups = {f"{runs} runs": rows for runs, rows in table.groupby("training_runs")}
    _lines(axes, groups, value)
    axes.set(xlabel="effect: ceiling r of one run", ylabel=label)
    axes.legend(title="training")
    shown = ["effect", "training_runs", value, f"{value}_low", f"{value}_high"]
    shown += {"r": ["ceiling"], "accuracy": ["chance"]}.get(value, [])
    return _figure(results, drawing, name, value, title, caption, table[shown])


def _repeats(results: Results, name: str, table: pd.DataFrame) -> Block:
    """Power with the planned training runs, by repeats of the test and by subjects of a group."""
    runs = sorted(table["training_runs"].unique())
    planned = runs[(len(runs) - 1) // 2]
    rows = table[table["training_runs"] == planned]
    drawing, axes = plt.subplots(figsize=(5.2, 3.6), layout="constrained")
    groups = {}
    for (subjects, repeats), part in rows.groupby(["subjects", "repeats"]):
        who = "one subject" if subjects == 1 else f"group of {subjects}"
        groups[f"{who}, test × {repeats}"] = part
    axes.axhline(WANTED, color=MARK, linestyle="--", linewidth=1)
    _lines(axes, groups, "power")
    axes.set(xlabel="effect: ceiling r of one run", ylabel="share of driven voxels found")
    axes.legend()
    title = f"Power by repeats and subjects, {planned} training runs"
    caption = (
        "“test × 2”: each test run is shown twice as often as planned, and averaged. The group "
        "test flips the signs of the subjects' Fisher z; all subjects have the same effect in the "
        "same voxel, so it shows the most that a group can gain."
    )
    shown = ["subjects", "repeats", "effect", "power", "power_low", "power_high"]
    return _figure(results, drawing, name, "repeats", title, caption, rows[shown])


def _lines(axes: plt.Axes, groups: Mapping[str, pd.DataFrame], value: str) -> None:
    for number, (label, rows) in enumerate(groups.items()):
        rows = rows.sort_values("effect")
        colour = OTHER_COLOURS[number % len(OTHER_COLOURS)]
        dash = "-" if number < len(OTHER_COLOURS) else "--"
        axes.plot(rows["effect"], rows[value], f"o{dash}", color=colour, label=label, markersize=3)
        ends = rows[f"{value}_low"], rows[f"{value}_high"]
        axes.fill_between(rows["effect"], *ends, color=colour, alpha=0.15, linewidth=0)


def _figure(
    results: Results,
    drawing: Drawing,
    name: str,
    what: str,
    title: str,
    caption: str,
    table: pd.DataFrame,
) -> Block:
    columns = {key: text for key, text in COLUMNS.items() if key in table}
    file = f"power/{name}_{what}"
    title = f"{title}, {name}"
    return results.figure(drawing, file, title, caption, table, True, columns)


def _calibration(table: pd.DataFrame) -> list[Block]:
    """How often voxels without signal are called significant."""
    one = table[table["subjects"] == 1]
    worst = one.sort_values("false_positives").iloc[-1]
    raw = one[one["effect"] == 0].sort_values("false_uncorrected").iloc[-1]
    lines: list[Block] = [
        Text(
            "Of voxels without signal, the test calls significant after correction "
            f"{worst.false_positives:.2%} at most (95 % interval {worst.false_low:.2%} to "
            f"{worst.false_high:.2%}, at an effect of {worst.effect:g} with "
            f"{worst.training_runs:.0f} training runs). Uncorrected p is at most .05 in "
            f"{raw.false_uncorrected:.1%} of them ({raw.uncorrected_low:.1%} to "
            f"{raw.uncorrected_high:.1%}, {raw.training_runs:.0f} training runs); 5 % would be "
            f"nominal. Up to {one['false_discoveries'].max():.1%} of what is significant has no "
            "signal, in the mean over simulated subjects."
        )
    ]
    if is_liberal(table):
        lines.append(
            Text(
                "The uncorrected test is liberal for this design: its blocks depend on their "
                "neighbours more than permuting them allows for. Try `exchange: {unit: time}`, "
                "whose null is widened for this, or more blocks a run, and read this again: power "
                "is then a little lower."
            )
        )
    columns = ("effect", "training runs", "repeats", "significant", "p ≤ .05", "false discoveries")
    keys = ["effect", "training_runs", "repeats", "false_positives", "false_uncorrected"]
    keys.append("false_discoveries")
    rows = tuple(one[keys].itertuples(index=False, name=None))
    caption = "Voxels without signal, and the share of false discoveries among all"
    return [*lines, Table(caption, columns, rows, folded=True)]


def _design(block: Power, planned: PlannedStudy) -> Block:
    test = planned.test_runs
    return facts(
        {
            "Files": block.events or block.aligned,
            "Labels": planned.labels or "none: aligned features",
            "TR": f"{planned.tr:g} s",
            "Training runs": planned.training_runs,
            "Training volumes": planned.volumes,
            "Test runs": f"{sum(test)}, of which {len(test)} differ",
            "Permuted unit": planned.unit,
            "Distinct permutations": "more than 10^15"
            if planned.n_distinct >= 1e15
            else planned.n_distinct,
            "Effects tried": block.effects,
            "Voxels": f"{block.voxels:,}, {block.driven_voxels:,} of them driven",
            "Simulated": f"{block.simulated_voxels[0]} voxels without signal and "
            f"{block.simulated_voxels[1]} with it, which stand for all",
            "Autocorrelation of the noise": block.autocorrelation,
            "Simulated subjects": block.realisations,
            "Delays": f"{', '.join(map(str, planned.delays))} TR",
            "Seed": block.seed,
        }
    )


def _methods(provenance: Provenance) -> list[Block]:
    """What was simulated and analysed, and what a reader has to weigh."""
    blocks: list[Block] = [Text(resolve(" ".join(provenance.methods)))]
    assumptions = (
        "Assumptions to weigh: the model's features are the right ones, and linear; all driven "
        "voxels have the same effect; subjects do not differ; noise is stationary, without head "
        "motion; runs beyond those planned show the same events again with new noise. Real data "
        "break some of these, so plan for more. The share of driven voxels sets how strict the "
        "correction is: fewer driven voxels need a larger effect."
    )
    return [*blocks, Text(assumptions)]


def _numbers(results: Results, path: Any, table: pd.DataFrame) -> Block:
    keys = ["subjects", "effect", "training_runs", "repeats", "ceiling", "r", "power"]
    keys += ["power_low", "power_high", "accuracy", "chance", "decoder_power"]
    rows = tuple(table[keys].itertuples(index=False, name=None))
    return Table("All points", tuple(keys), rows, tsv=results.link(path), folded=True)
