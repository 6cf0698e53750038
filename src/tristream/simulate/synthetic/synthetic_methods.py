"""What was simulated in the name of a dataset, as sentences."""

from collections.abc import Mapping, Sequence

from tristream.config.dataset import Dataset
from tristream.config.layouts import BetasLayout
from tristream.simulate.synthetic.event_responses import AUTOCORRELATION, PEAK, Latents
from tristream.simulate.synthetic.latents import IMAGERY
from tristream.simulate.synthetic.layer_latents import LEADING
from tristream.simulate.synthetic.settings import ITEM, LABEL, SyntheticSettings
from tristream.simulate.synthetic.synthetic_truth import SyntheticTruth


def methods(
    dataset: Dataset,
    settings: SyntheticSettings,
    truths: Mapping[str, SyntheticTruth],
    imagined: Latents,
    layers: Sequence[str],
) -> tuple[str, ...]:
    """Sentences for the methods text.

    `imagined` is what imagined categories stand for, `layers` what items are answered by in place
    of a few measures.
    """
    coarser = f", with voxels {settings.scale:g} times as long" if settings.scale != 1 else ""
    trials = isinstance(dataset.layout, BetasLayout)
    if trials:
        are, whose, what = "responses to trials are", "Trials", "the responses"
        noise = "independent over trials and smooth in space"
    else:
        are, whose, what = "BOLD is", "Events", "one run's data"
        noise = f"autocorrelated ({AUTOCORRELATION:g} at lag one) and smooth in space"
        noise += ", with slow drifts"
    written = (
        f"The {are} simulated; no measurement was made.",
        f"{whose} and names are those of {dataset.title}; tristream simulate wrote the images for "
        f"{len(truths)} subject{'s' * (len(truths) > 1)} (seed {settings.seed}){coarser}.",
    )
    if not settings.ceiling:
        return (*written, f"There is noise alone, {noise}.")
    return (
        *written,
        *_followed(settings, truths, imagined, layers, trials=trials),
        f"The correlation of the noise-free signal with {what} is {settings.ceiling:g} where there "
        f"is a signal; noise is {noise}.",
    )


def _followed(
    settings: SyntheticSettings,
    truths: Mapping[str, SyntheticTruth],
    imagined: Latents,
    layers: Sequence[str],
    *,
    trials: bool,
) -> list[str]:
    """What voxels follow, and how."""
    followed = [
        text
        for region, text in ((LABEL, "the labels of events"), (ITEM, "the items that are shown"))
        if any(courses.size for t in truths.values() for courses in t.courses[region].values())
    ]
    sentences = []
    if imagined:
        sentences.append(
            f"What is imagined is one of {len(imagined)} categories, which events name alone, and "
            f"is answered like the mean of the category's stimuli, {IMAGERY:g} times as strongly."
        )
    if layers:
        sentences.append(
            "Items are answered, from the lowest part of their region to its highest, by the "
            f"{LEADING} leading principal components of {', '.join(layers)}."
        )
    how = (
        "trial by trial"
        if trials
        else "convolved with a double-gamma haemodynamic response [@glover1999] that peaks after "
        f"{PEAK:g} s"
    )
    sentences.append(
        f"In regions of their own, smooth random maps follow {' and '.join(followed)}, {how}; "
        "elsewhere there is noise alone."
    )
    return sentences
