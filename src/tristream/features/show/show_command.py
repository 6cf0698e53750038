"""What ``tristream features show`` draws and says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from matplotlib.figure import Figure

from tristream.config.load import Resolved
from tristream.errors import UserError
from tristream.features.show import gradcam
from tristream.features.show import show_figures as draw
from tristream.features.show import show_numbers as numbers
from tristream.features.show.look import Look, look, look_at_image, some_images
from tristream.features.show.shown_space import Space, find_space, some_rows
from tristream.features.show.traces import moments, traces

ROWS = 500


@dataclass
class Shown:
    """Figures by name, and numbers as text.

    Attributes
    ----------
    dataset : str
        Whose features they are.
    figures : dict of str to Figure
        ``input``, ``traces``, ``gradcam``: those that there can be.
    text : str
        A line a layer, and what is not drawn and why.
    """

    dataset: str
    figures: dict[str, Figure] = field(default_factory=dict)
    text: str = ""


def show(
    resolved: Resolved,
    name: str,
    dataset: str | None,
    stimulus: str | None,
    at: Sequence[float] | None,
    colours: Mapping[str, str],
) -> Shown:
    """Draw a feature space.

    Parameters
    ----------
    resolved : Resolved
        The study.
    name : str
        The space.
    dataset, stimulus : str, optional
        By default the first dataset that has the features, and its first film or sound, or two
        of its images.
    at : sequence of float, optional
        Seconds of media time to look at.
    colours : dict of stream to colour
        Of the traces.

    Raises
    ------
    UserError
        If there are no features, or the film, sound or image is not there, or shorter.
    """
    space = _space(resolved, name, dataset)
    shown = Shown(space.dataset)
    lines = [_line(layer, space) for layer in space.layers]
    if space.timed:
        stimulus = stimulus or space.stimuli[0]
        colour = colours[resolved.study.spaces[name].stream]
        shown.figures["traces"] = draw.trace_figure(traces(space, stimulus), colour)
        looks = [look(space, stimulus, one) for one in at or moments(space, stimulus)]
        lines += _inputs(shown, space, looks)
    elif images := [stimulus] if stimulus else some_images(space):
        lines += _inputs(shown, space, [look_at_image(space, one) for one in images])
    else:
        lines.append("its rows are labels: there is no film or image to draw it against")
    shown.text = "\n".join(lines)
    return shown


def _inputs(shown: Shown, space: Space, looks: list[Look]) -> list[str]:
    """Draw what went in and where a network looks; lines of what can't be drawn and why."""
    lines = []
    shown.figures["input"] = draw.input_figure(looks)
    seen = [one.seen.values for one in looks if one.seen]
    if not seen:
        lines.append("what it was computed from is not drawn: its extractor has no preview")
    if why := gradcam.why_not(space):
        lines.append(f"no Grad-CAM: {why}")
    elif seen:
        shown.figures["gradcam"] = draw.attention_figure(gradcam.attend(space, seen))
    return lines


def _space(resolved: Resolved, name: str, dataset: str | None) -> Space:
    wanted = [dataset] if dataset else list(resolved.datasets)
    for one in wanted:
        space = find_space(resolved, one, name)
        if space.layers:
            return space
    raise UserError(
        f"{resolved.study.results}/features: there are no features of {name} for "
        f"{' or '.join(wanted)}; run the workflow, or `tristream features extract`, first"
    )


def _line(layer: str, space: Space) -> str:
    path = space.layers[layer]
    found = numbers.summarise(path, some_rows(path, ROWS).values)
    return (
        f"{layer}: {found.samples} samples, {found.dimensions} dimensions "
        f"({len(found.dead)} dead), effective dimensions {found.effective:.1f}, "
        f"{found.for_most} components for 90 % of the variance"
    )
