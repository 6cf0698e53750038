"""Where and when labels can be decoded: spheres, regions and times, each against all of them."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from tristream.decode.profile_file import Profile, read_profile
from tristream.report import report_figures as figures
from tristream.report.elements import Block, Heading, Section, Table, facts
from tristream.report.references import resolve
from tristream.report.sections import decoding, searchlight_maps
from tristream.report.study_results import Results

PASSED = 0.05
WHERE = {
    "spheres": "the sphere around each voxel",
    "neighbourhoods": "what is near each vertex along the cortex",
    "regions": "each region",
    "times": "each time after the onset",
}


def names(results: Results, dataset: str) -> list[str]:
    """Decoders of a dataset that decode from parts also."""
    decoders = results.resolved.study.decoders
    return [name for name in decoding.names(results, dataset) if decoders[name].profiles]


def section(results: Results, dataset: str, subject: str) -> Section:
    """Every decoder's searchlight, regions and times."""
    blocks: list[Block] = []
    for name in names(results, dataset):
        for place in results.resolved.study.decoders[name].profiles:
            what = place.replace("_", " ")
            blocks.append(Heading(f"Decoder {name}: {what}"))
            path = results.path(place, dataset=dataset, decoder=name, subject=subject)
            gone = results.missing(f"The {what} of {name}", path)
            blocks += gone or _profile(results, dataset, subject, path)
    return Section("decoding-profiles", "Where and when labels can be decoded", blocks)


def _profile(results: Results, dataset: str, subject: str, path: Path) -> list[Block]:
    found, provenance = read_profile(path)
    notes = results.read(path, provenance)
    tested = not found.refusal
    best = int(found.accuracy.argmax())
    what = {
        "How": resolve(" ".join(provenance.methods)),
        "Largest accuracy": f"{found.accuracy[best]:.3f} ({_called(found, best)})",
        "Chance there, measured": f"{found.chance[best]:.3f}" if tested else None,
        f"{found.over.capitalize()} with corrected p of {PASSED:g} at most": (
            f"{int(_passed(found).sum())} of {len(found.names)}" if tested else None
        ),
    }
    drawing, shown = _drawn(results, found)
    limit = ""
    if (above := _limit(found)) is not None:
        limit = f" A part passes above {above:.3f}, which 5 % of permutations reach somewhere."
    caption = (
        f"Accuracy of the decoder from {WHERE[found.over]}, on held-out runs. {shown}{limit} The "
        "largest of many accuracies is larger than what a new experiment would give."
    )
    where = f"{dataset}/sub-{subject}/{found.over}_{found.decoder}"
    figure = results.figure(
        drawing,
        where,
        f"Accuracy from {WHERE[found.over]}, {found.decoder}, sub-{subject}",
        caption,
        _table(found),
        provenance.simulated,
    )
    if len(found.ijk):
        rest = searchlight_maps.files(results, where, found, provenance)
    else:
        rest = [_rows(found)]
    return [facts(what), figure, *rest, *notes]


def _drawn(results: Results, found: Profile) -> tuple[Drawing, str]:
    """The figure, and how to read it."""
    if found.over == "neighbourhoods":
        return searchlight_maps.on_cortex(results, found, _passed(found))
    return {"spheres": _slices, "regions": _bars, "times": _course}[found.over](found)


def _called(found: Profile, part: int) -> str:
    if not len(found.ijk):
        return found.names[part]
    if (where := found.grayordinates) is not None and where.on_mesh[part]:
        return f"around vertex {found.ijk[part, 0]} of {where.names[where.structure[part]]}"
    return f"around voxel {', '.join(map(str, found.ijk[part].tolist()))}"


def _passed(found: Profile) -> np.ndarray:
    return found.p_fwe <= PASSED


def _limit(found: Profile) -> float | None:
    """Accuracy above which a part passes; none where too few permutations let any pass."""
    place = int(PASSED * (1 + len(found.largest)))
    return float(np.sort(found.largest)[-place]) if place else None


def _table(found: Profile) -> pd.DataFrame:
    table = pd.DataFrame(found.ijk, columns=list("ijk")) if len(found.ijk) else pd.DataFrame()
    if (where := found.grayordinates) is not None:
        table.insert(0, "structure", np.array(where.names)[where.structure])
    if not len(found.ijk):
        table["part"] = found.names
    table["voxels"] = found.size
    for key in ("accuracy", "chance", "p", "p_fwe"):
        table[key] = np.round(getattr(found, key), 5)
    return table


def _rows(found: Profile) -> Table:
    values = (found.accuracy, found.chance, found.p, found.p_fwe)
    rows = tuple(
        (name, int(size), *(float(v) if np.isfinite(v) else None for v in own))
        for name, size, *own in zip(found.names, found.size, *values, strict=True)
    )
    caption = "Each part by itself; the last p is corrected for all of them."
    columns = (found.over.removesuffix("s"), "voxels", "accuracy", "chance", "p", "corrected p")
    return Table(caption, columns, rows, folded=True)


def _slices(found: Profile) -> tuple[Drawing, str]:
    """The slice with the most spheres that pass, all of it and those alone."""
    planes = found.ijk[:, 2]
    order = 1e6 * np.bincount(planes, _passed(found)) + np.bincount(planes)
    plane = int(order.argmax())
    own = planes == plane
    i, j = found.ijk[own, 0], found.ijk[own, 1]
    figure, (left, right) = figures.panels(2, width=6.4, height=3.2)
    values = found.accuracy[own]
    kept = np.where(_passed(found)[own], values, np.nan)
    for axes, name, own_values in ((left, "all", values), (right, "corrected p ≤ .05", kept)):
        image = np.full((j.max() + 1, i.max() + 1), np.nan)
        image[j, i] = own_values
        drawn = axes.imshow(
            image, cmap="viridis", vmin=values.min(), vmax=values.max(), origin="lower"
        )
        axes.set(title=name, xticks=[], yticks=[])
        axes.set_xlim(i.min() - 1, i.max() + 1)
        axes.set_ylim(j.min() - 1, j.max() + 1)
    figure.colorbar(drawn, ax=(left, right), shrink=0.7, label="accuracy")
    return figure, f"Slice {plane} (k): all spheres, and those that pass; a value is of the centre."


def _bars(found: Profile) -> tuple[Drawing, str]:
    groups = {"accuracy": found.accuracy}
    if found.refusal:
        return figures.bars(found.names, groups, "accuracy"), "Nothing was tested."
    groups["chance, measured"] = found.chance
    limit = _limit(found)
    line = None if limit is None else ("passes above", limit)
    drawing = figures.bars(found.names, groups, "accuracy", line=line)
    return drawing, "Lighter: chance, the mean under permuted labels."


def _course(found: Profile) -> tuple[Drawing, str]:
    figure, axes = figures.panel(6.2, 3.2)
    axes.plot(found.times, found.accuracy, "o-", label="accuracy", linewidth=1.4, markersize=4)
    if not found.refusal:
        axes.plot(found.times, found.chance, "--", color="#777777", label="chance, measured")
    if (limit := _limit(found)) is not None:
        axes.axhline(limit, color=figures.MARK, linewidth=1.2, label="passes above")
    axes.axvline(0, color="#999999", linewidth=0.7)
    axes.set(xlabel="seconds after the onset", ylabel="accuracy")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure, (
        "Times before the onset are a check, unless labels follow from those before them; later "
        "than a block is long, the next one is already shown."
    )
