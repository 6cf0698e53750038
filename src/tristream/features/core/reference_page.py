"""The feature spaces written out: the text of ``docs/features.md``, from the extractors alone."""

import inspect
import re
import sys

from tristream.config.reference import key_table
from tristream.config.sources import ArchiveSource
from tristream.features.core.registry import Extractor, known

STREAMS = ("ventral", "dorsal", "auditory", "nuisance")
"""In this order; extractors of other streams follow."""
READS = {
    "film": "films",
    "sound": "sounds, and the sound of films",
    "label": "labels of events",
    "truth": "the simulator's truth",
}
NETWORK = "a model of the hub at a pinned revision, or a local folder; safetensors only"
INTRO = """\
# Every feature space

Written by `tristream features reference`; do not edit. A space of `config.yaml` names an extractor,
some of its layers (`layers: [all]`: every one; none: the defaults), and options:

```yaml
features:
  clip:
    stream: ventral
    extractor: image_network
    layers: [layer6, layer12]
    options: {model: openai/clip-vit-base-patch32, revision: <40 digits>, pooling: "grid:2"}
```

All layers of a space are computed by one job, in one pass of the film or sound, in bounded memory;
a killed job goes on where it was. Networks that are not on the package index are brought by
`tristream weights fetch` on a machine with a network; jobs use none. `tristream features show
SPACE` draws what reached the computation beside the original, and what came out. What each space
costs in your study is in its report, under *Features*; what those without a network of the hub cost
on one core is in [benchmarks/README.md](../benchmarks/README.md). Spaces made from others (PCA,
CCA, PLS, a joint embedding; all fitted on training stimuli only) stand under `fusion:`:
[config.md](config.md)."""


def markdown() -> str:
    """What every extractor reads, measures and needs; its layers, columns and options."""
    extractors = known()
    groups: dict[str, list[str]] = {stream: [] for stream in (*STREAMS, "other")}
    for name, one in extractors.items():
        groups[one.stream if one.stream in STREAMS else "other"].append(name)
    parts = [INTRO, "", "| stream | extractor | reads | what it gives | weights |"]
    parts.append("|---|---|---|---|---|")
    for stream, names in groups.items():
        parts += [_row(stream, extractors[name]) for name in names]
    for names in groups.values():
        for name in names:
            parts += ["", *_section(extractors[name])]
    return "\n".join(parts) + "\n"


def _row(stream: str, one: Extractor) -> str:
    weights = one.weights
    if isinstance(weights, ArchiveSource):
        source = f"package index, {weights.licence}"
    elif weights or "checkpoint" in one.options.model_fields:
        source = "yours, or of the hub" if "model" in one.options.model_fields else "by option"
    else:
        source = "none"
    link = f"[`{one.name}`](#{one.name})"
    return f"| {stream} | {link} | {_reads(one)} | {_marked(one.summary)} | {source} |"


def _reads(one: Extractor) -> str:
    return READS[one.media] + (", images" if one.images else "")


def _section(one: Extractor) -> list[str]:
    text, references = _split(inspect.getdoc(one.function) or "")
    references += _split(sys.modules[one.module].__doc__ or "")[1]
    lines = [f"## {one.name}", "", _marked(text), ""]
    lines += [f"- Reads: {_reads(one)}."]
    if callable(one.layers):
        lines += ["- Layers: as the network has them; by default some, spread through it."]
        if one.network_types:
            types = ", ".join(f"`{kind}`" for kind in one.network_types)
            lines += [f"- Types of network: {types}."]
    else:
        default = one.default_layers
        lines += [f"- Layers: {', '.join(_layer(one, layer) for layer in one.layers)}."]
        if not callable(default) and default != one.layers:
            lines += [f"- By default: {', '.join(f'`{layer}`' for layer in default)}."]
    lines += [f"- Weights: {source}." for source in _weights(one)]
    lines += [f"- {_marked(reference)}" for reference in references]
    if one.options.model_fields:
        lines += ["", *key_table(one.options.model_json_schema())]
    return lines


def _layer(one: Extractor, layer: str) -> str:
    """A layer, with the number of its columns where they have names of their own."""
    try:
        columns = len(one.names(layer, one.options(), 0))
    except (ValueError, OSError):  # options without a default: the user's own network
        columns = 0
    return f"`{layer}` ({columns:,})" if columns else f"`{layer}`"


def _weights(one: Extractor) -> list[str]:
    if isinstance(one.weights, ArchiveSource):
        source = one.weights
        return [f"{source.package} {source.version} ({source.licence}); {source.credit}"]
    if "model" in one.options.model_fields:
        return [NETWORK]
    return ["see its options"] if one.weights else []


def _split(text: str) -> tuple[str, list[str]]:
    """A docstring without its references, and these, one a paragraph or line that begins one."""
    body, _, listed = inspect.cleandoc(text).partition("References\n----------\n")
    lines = listed.split("\n\n")[0]
    # An entry begins with a name and initials, and ends with a full stop.
    entries = re.split(r"\.\n(?=[A-ZÀ-Ž][\w'-]+ [A-Z])", lines) if lines else []
    return body.strip(), [" ".join(entry.split()).rstrip(".") + "." for entry in entries]


def _marked(text: str) -> str:
    """Numpydoc as Markdown."""
    text = re.sub(r":\w+:`([^`]*)`", r"`\1`", text.replace("``", "`"))
    text = re.sub(r"^(`\w+`)\n    ", r"- \1: ", text, flags=re.MULTILINE)
    return re.sub(r"^    ", "  ", text, flags=re.MULTILINE).replace("|", "\\|")
