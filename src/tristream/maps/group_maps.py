"""Maps of all subjects: mean, spread, and what either question of the group level found.

Files of the two questions have names of their own: ``otherstimuli`` (in these subjects) and
``otherpeople`` (given these stimuli).
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from tristream.config.settings.maps import GroupMapsSettings
from tristream.inference.group_file import CommonVoxels, GroupLevel, read_group
from tristream.maps import brain_figures as figures
from tristream.maps.background import grey_levels, to_ras
from tristream.maps.export import Map, export
from tristream.maps.map_images import write_nifti
from tristream.maps.map_list import KIND, Entry, MapList, write_maps
from tristream.maps.map_tables import write_map_table
from tristream.maps.names import Names, describe_dataset
from tristream.maps.style import save, style, titled
from tristream.maps.transparency import by_rate, rate_words
from tristream.results.written import recorded
from tristream.store import Omission, Provenance

QUESTIONS = {
    "stimuli": "for other stimuli in these subjects",
    "people": "for other people given these stimuli",
}
COLUMNS = {
    "i": "voxel index",
    "j": "voxel index",
    "k": "voxel index",
    "mean": "mean over subjects",
    "sd": "standard deviation over subjects",
}
Floats = npt.NDArray[np.floating]


def draw_group(settings: GroupMapsSettings, group: Path, output: Path, code: str = "") -> None:
    """Write the maps of all subjects beside `output`, then `output` itself.

    Parameters
    ----------
    settings : GroupMapsSettings
        Which model or contrast of which dataset; how files are named.
    group : Path
        A file of this kind.
    output : Path
        ``…/maps.json``; its folder is the group's, the one above the derivative dataset.
    code : str
        Fingerprint for the provenance.
    """
    level, source = read_group(group)
    given = Provenance(KIND, source.simulated, settings.key(), code)
    with recorded() as written:
        entries, omitted = _drawn(settings, level, source, given, output.parent)
    listed = MapList(settings.dataset, settings.section, settings.name, "", entries)
    write_maps(output, listed, replace(given, omitted=omitted), written)


def _drawn(
    settings: GroupMapsSettings,
    level: GroupLevel,
    source: Provenance,
    given: Provenance,
    folder: Path,
) -> tuple[list[Entry], tuple[Omission, ...]]:
    what = "encoding model" if settings.section == "models" else "contrast"
    title = f"{settings.dataset}: maps of the {what} {settings.name}"
    describe_dataset(folder.parent, title, source.simulated)
    place = Names(folder, "", settings.task, settings.name, settings.space)
    entries: list[Entry] = []
    omitted = tuple(o for o in source.omitted if level.voxels is None or o.what in NOT_ASKED)
    if (voxels := level.voxels) is not None:
        maps = quantities(level, voxels)
        if voxels.grayordinates is None:
            entries += _volumes(place, voxels, maps, given)
            drawn = (settings.space or "").startswith("MNI")
            if drawn:
                rate = float(source.config["fdr"])
                entries += _slices(place, level, voxels, rate, given)
            else:
                why = "the voxels are not in MNI space: there is no image that all subjects share"
                omitted += (Omission("figures of the group", why),)
        else:
            exported: dict[str, Map] = {key: (*one, None) for key, one in maps.items()}
            entries += export(place, voxels, exported, given)
    return entries, omitted


# Questions of the group level, as they are named where they could not be asked.
NOT_ASKED = ("group test for other stimuli", "group test for other people")


def quantities(level: GroupLevel, voxels: CommonVoxels) -> dict[str, tuple[Floats, str]]:
    """Every map that is written: name to values and meaning."""
    number, means = len(level.subjects), voxels.means
    of = f"over {number} subjects of the {level.measure}"
    maps: dict[str, tuple[Floats, str]] = {
        "mean": (means.mean, f"mean {of}"),
        "sd": (means.sd, f"standard deviation {of}"),
    }
    if voxels.count is not None:
        what = f"subjects with p at most {level.level:g}, uncorrected"
        maps["count"] = (voxels.count.astype(np.float32), what)
    for key, words in QUESTIONS.items():
        if (test := getattr(means, key)) is not None:
            maps[f"q_other_{key}"] = (test.q, f"false discovery rate q {words}")
            maps[f"p_fwe_other_{key}"] = (test.p_fwe, f"family-wise p {words}")
    return {key: (values.astype(np.float32), what) for key, (values, what) in maps.items()}


def _volumes(
    place: Names, voxels: CommonVoxels, maps: dict[str, tuple[Floats, str]], given: Provenance
) -> list[Entry]:
    entries = []
    for key, (values, what) in maps.items():
        image = np.full(voxels.shape, np.nan, np.float32)
        image[tuple(voxels.ijk.T)] = values
        path = place.volume(key)
        write_nifti(path, image, np.asarray(voxels.affine), what, given)
        file = path.relative_to(place.folder).as_posix()
        entries.append(Entry(file, titled(what, given.simulated), "NIfTI", "nifti", key))
    return entries


def _slices(
    place: Names, level: GroupLevel, voxels: CommonVoxels, rate: float, given: Provenance
) -> list[Entry]:
    """Mean and spread over the template; the mean is as transparent as its q is large."""
    entries, table = [], place.table("voxels")
    means, number = voxels.means, len(level.subjects)
    columns = dict(zip("ijk", voxels.ijk.T, strict=True))
    values = pd.DataFrame({**columns, "mean": means.mean.round(4), "sd": means.sd.round(4)})
    write_map_table(table, values, COLUMNS, given)
    background = grey_levels(_Grid(voxels), place.space, None)
    question = next((one for one in QUESTIONS if getattr(means, one) is not None), None)
    for key, shown, what in (
        ("mean", means.mean, "Mean"),
        ("sd", means.sd, "Standard deviation"),
    ):
        full = max(0.1, float(np.nanpercentile(np.abs(shown), 99))) if len(shown) else 0.1
        low = -full if key == "mean" and level.measure.startswith("effect") else 0.0
        label = f"{what.lower()} over subjects"
        paint = figures.two_sided(full, label) if low else figures.scale(0, full, label)
        opacity, faded = None, ""
        if key == "mean" and question is not None:
            q = getattr(means, question).q
            opacity = by_rate(q, q <= rate, rate)
            faded = f" {rate_words(rate, f'the mean, {QUESTIONS[question]},')}"
        image = np.zeros((*voxels.shape, 4), np.float32)
        image[tuple(voxels.ijk.T)] = figures.faded(paint.rgba(shown), opacity)
        rgba, zooms = to_ras(image, np.asarray(voxels.affine))
        title = titled(f"{what} over {number} subjects, {place.model}", given.simulated)
        caption = (
            f"{what} over {number} subjects of the {level.measure}, in the voxels that all have. "
            f"The scale ends at {full:.2g} (99th percentile).{faded} Axial slices from below; the "
            "brain's left is on the left."
        )
        path = place.figure(key, "volume")
        with style():
            save(figures.finish(figures.volume(title, rgba, background, zooms), paint), path)
        files = [
            one.relative_to(place.folder).as_posix()
            for one in (path, path.with_suffix(".svg"), table)
        ]
        entries.append(Entry(files[0], title, caption, "volume", key, files[1], files[2]))
    return entries


class _Grid:
    """The grid of the common voxels, as backgrounds want it."""

    def __init__(self, voxels: CommonVoxels) -> None:
        i, j, k = voxels.shape
        self.affine, self.shape = np.asarray(voxels.affine), (i, j, k)
