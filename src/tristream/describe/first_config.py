"""The first ``config.yaml`` of a study: features for the media of its dataset, model, decoder."""

from tristream.config.dataset import Dataset
from tristream.describe.yaml_lines import listed, quoted

# Feature spaces that need no network of the hub, by what a stimulus table holds.
FILM = {
    "pictures": "{stream: ventral, extractor: efficientnet_lite0, options: {fps: 2}}",
    "motion": "{stream: dorsal, extractor: motion_energy}",
    "sound": "{stream: auditory, extractor: acoustics, layers: [logmel, envelope]}",
    "lowlevel": "{stream: nuisance, extractor: lowlevel}   # luminance, loudness, cuts",
}
SOUND = {
    "sound": "{stream: auditory, extractor: acoustics, layers: [logmel, envelope]}",
    "modulation": "{stream: auditory, extractor: modulation}",
    "loudness": "{stream: nuisance, extractor: acoustics, layers: [rms]}",
}
IMAGE = {"pictures": "{stream: ventral, extractor: efficientnet_lite0}"}
LABELS = {"conditions": "{stream: label, extractor: labels}   # one column a label"}
SILENT = ("pictures", "motion", "lowlevel")


def first_config(dataset: Dataset, labelled: bool, silent: bool = False) -> str:
    """Text of a minimal ``config.yaml`` for one dataset.

    Parameters
    ----------
    dataset : Dataset
        Its descriptor.
    labelled : bool
        Whether its events have labels that a decoder can name.
    silent : bool
        Whether its films are known to have no sound.
    """
    media = dataset.stimuli.source is not None or _asked_for(dataset)
    spaces = _spaces(dataset, silent) if media else LABELS
    bands = "".join(f"      {name}: [{name}]\n" for name in spaces)
    features = "".join(f"  {name}: {text}\n" for name, text in spaces.items())
    parts = [
        f"# A first study of {dataset.id}. Every key: docs/config.md of tristream; features: "
        "`tristream features list`.\n",
        f"title: {quoted(dataset.title)}\n",
        "results: results   # all that the workflow makes; safe to delete\n",
        "data: data         # downloads and clones\n\n",
        f"datasets:\n  {dataset.id}:\n",
        f"    subjects: all   # or a list: {listed(dataset.subjects[:2])}\n",
    ]
    if _asked_for(dataset):
        parts.append(
            "    # QUESTION: where are the stimuli, which the dataset does not ship? "
            f"{' '.join(dataset.stimuli.get.split())}\n"
            "    stimuli: /where/they/are\n"
        )
    parts.append(f"\nfeatures:\n{features}")
    delays, delay = _delays(dataset)
    parts.append(
        f"\nmodels:\n  first:\n    datasets: [{dataset.id}]\n    bands:\n{bands}"
        f"    delays: {delays}\n"
    )
    if labelled:
        samples = "blocks" if dataset.exchange.unit in ("block", "round") else "volumes"
        trials = dataset.trials
        scaled = trials is not None and trials.scale == "training"
        parts.append(
            f"\ndecoders:\n  labels:\n    datasets: [{dataset.id}]\n    kind: ridge\n"
            f"    samples: {samples}\n{delay}" + "    standardize: training\n" * scaled
        )
    parts.append("\ninference:\n  permutations: 1000\n")
    return "".join(parts)


def _delays(dataset: Dataset) -> tuple[str, str]:
    """Delays of a model, and the line that says that of a decoder, if it is not the default."""
    if dataset.layout.kind == "volume_table":
        late = "   # the table's labels already stand as late as the BOLD"
        return f"0-2 TR{late}", f"    delay: 0{late}\n"
    return ("[0]   # rows are trials" if dataset.trials else "2-8 s"), ""


def _asked_for(dataset: Dataset) -> bool:
    """Whether the user has to say where the stimuli are."""
    return dataset.stimuli.source is None and bool(dataset.stimuli.table)


def _spaces(dataset: Dataset, silent: bool) -> dict[str, str]:
    kinds = {row.kind for row in dataset.stimuli.table}
    if "film" in kinds:
        return {name: text for name, text in FILM.items() if not silent or name in SILENT}
    return SOUND if "sound" in kinds else IMAGE
