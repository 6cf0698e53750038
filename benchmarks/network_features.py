"""Features of every frame of a film: ours against plain loops, and how busy the network is.

A random ResNet-50 or ViT-B/16 (the arithmetic is that of a trained one) reads all its layers, each
averaged over the picture, from every frame of a real 720p film. Contestants, in turns,
the network with one thread:

- ours: ``image_network``, which decodes and prepares ahead of the network, in batches;
- frame by frame: PyAV, the network's own ``transformers`` processor, one frame at a time;
- batches: the same loop in batches of 16, still one thing after the other;
- thingsvision, if ``--thingsvision PYTHON`` names the interpreter of an environment that has it:
  torchvision's random ResNet-50 in batches of 16, its four stages in one pass, each averaged over
  the picture, from PNG files of the same frames (writing them is not counted; reading them is as
  decoding the film is for the others).

Ratios are of CPU seconds, which a busy machine changes little; frames per second are by the clock,
where decoding beside the network pays as well. The gate: our values equal the frame-by-frame loop's
to 1e-4 of the largest.

    python benchmarks/network_features.py
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
import transformers
from PIL import Image

from tristream.config.load import load
from tristream.config.sources import ArchiveSource
from tristream.features.core.networks.families import IMAGE, layer_names
from tristream.features.spaces.image_network import (
    ImageNetworkOptions,
    image_network,
)
from tristream.fetch.archive import fetch_archive

GATE = 1e-4
BATCH = 16
BUSY = 0.85
THEIRS = """
import sys, time
import torch
from thingsvision import get_extractor
from thingsvision.utils.data import DataLoader, ImageDataset
torch.set_num_threads(1)
extractor = get_extractor("resnet50", source="torchvision", device="cpu", pretrained=False)
data = ImageDataset(root=sys.argv[1], out_path=sys.argv[1] + "/../out", backend="pt",
                    transforms=extractor.get_transformations())
start, cpu = time.perf_counter(), time.process_time()
batches = DataLoader(dataset=data, batch_size=16, backend="pt")
found = extractor.extract_features(batches=batches, flatten_acts=False, output_type="ndarray",
                                   module_names=["layer1", "layer2", "layer3", "layer4"])
for values in found.values():
    values.mean((2, 3))
print("SECONDS", time.perf_counter() - start, time.process_time() - cpu)
"""


def demo_film() -> Path:
    """The film of the demo, fetched if need be."""
    study = load("config.yaml")
    source = study.datasets["bunny"].stimuli.source
    assert isinstance(source, ArchiveSource)
    root, files = fetch_archive(source, Path(study.study.data))
    return root / files[0].path


def save_network(kind: str, folder: Path) -> None:
    """A random network of the usual size with its image processor."""
    torch.manual_seed(0)
    if kind == "resnet50":
        network: Any = transformers.ResNetModel(transformers.ResNetConfig())
        processor: Any = transformers.ConvNextImageProcessor(size={"shortest_edge": 224})
    else:
        network = transformers.ViTModel(transformers.ViTConfig(), add_pooling_layer=False)
        processor = transformers.ViTImageProcessor()
    network.save_pretrained(folder)
    processor.save_pretrained(folder)


def ours(film: Path, folder: Path, count: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Means of all layers for the first `count` frames, and the notes of the pass."""
    layers = layer_names(folder, IMAGE)
    options = ImageNetworkOptions(folder=str(folder), fps=None, batch=BATCH)
    notes: dict[str, Any] = {}
    chunks = []
    given = image_network(film, layers, options, folder, "cpu", notes=notes)
    for chunk in given:
        chunks.append(chunk)
        if sum(len(c[layers[0]].times) for c in chunks) >= count:
            break
    given.close()
    values = {n: np.concatenate([c[n].values for c in chunks])[:count] for n in layers}
    return values, notes


def plain(film: Path, folder: Path, count: int, batch: int) -> dict[str, np.ndarray]:
    """The same by a loop that does one thing after the other."""
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    network = transformers.AutoModel.from_pretrained(folder).eval()
    layers = layer_names(folder, IMAGE)
    found: dict[str, list[np.ndarray]] = {layer: [] for layer in layers}
    frames = islice(decoded(film), count)
    while images := list(islice(frames, batch)):
        pixels = processor(images, return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            output = network(pixels, output_hidden_states=True)
        for layer, state in zip(layers, output.hidden_states, strict=False):
            mean = state.mean((2, 3)) if state.ndim == 4 else state[:, 1:].mean(1)
            found[layer].append(mean.numpy())
    return {layer: np.concatenate(values) for layer, values in found.items() if values}


def decoded(film: Path) -> Iterator[np.ndarray]:
    """Frames, as PyAV's own examples read them."""
    with av.open(str(film)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def theirs(python: str, film: Path, count: int, folder: Path) -> tuple[float, float]:
    """Seconds that thingsvision takes, on the clock and of the processor."""
    pictures = folder / "pictures"
    pictures.mkdir(exist_ok=True)
    for index, image in enumerate(islice(decoded(film), count)):
        Image.fromarray(image).save(pictures / f"{index:05d}.png", compress_level=1)
    call = [python, "-c", THEIRS, str(pictures)]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    clock, cpu = done.stdout.rpartition("SECONDS")[2].split()
    return float(clock), float(cpu)


def timed(compute: Callable[[], Any]) -> tuple[tuple[float, float], Any]:
    """Seconds on the clock and of the processor, and what was computed."""
    start, cpu = time.perf_counter(), time.process_time()
    found = compute()
    return (time.perf_counter() - start, time.process_time() - cpu), found


def main() -> int:
    """Run all in turns; the exit status says whether the gate holds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--film", type=Path, help="default: the demo's")
    parser.add_argument("--network", choices=("resnet50", "vit_b16"), default="resnet50")
    parser.add_argument("--frames", type=int, default=128, help="a multiple of 128")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--thingsvision", metavar="PYTHON", help="of an environment with it")
    args = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    film = args.film or demo_film()
    seconds: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        save_network(args.network, folder)
        for _ in range(args.repeats):
            taken, (values, notes) = timed(lambda: ours(film, folder, args.frames))
            seconds.setdefault("ours", []).append(taken)
            for name, batch in (("frame by frame", 1), ("batches", BATCH)):
                taken, reference = timed(
                    lambda batch=batch: plain(film, folder, args.frames, batch)
                )
                seconds.setdefault(name, []).append(taken)
            if args.thingsvision:
                taken = theirs(args.thingsvision, film, args.frames, folder)
                seconds.setdefault("thingsvision", []).append(taken)
    median = {name: np.median(taken, axis=0) for name, taken in seconds.items()}
    for name, (clock, cpu) in median.items():
        per_frame = 1000 * cpu / args.frames
        print(f"{name}: {args.frames / clock:.1f} frames/s, {per_frame:.0f} ms of CPU a frame")
    error = max(float(np.abs(values[n] - r).max() / np.abs(r).max()) for n, r in reference.items())
    storing = 1 - notes["busy"] - notes["waiting"]
    print(f"largest difference: {error:.1e} of the largest value")
    print(
        f"ours: the network is busy {notes['busy']:.0%} of the time, waits for frames "
        f"{notes['waiting']:.0%}, the rest {storing:.0%}"
        + ("" if notes["busy"] >= BUSY else f" (below {BUSY:.0%})")
    )
    for name in (*list(median)[2:], "frame by frame"):
        end = "" if name == "frame by frame" else f"_{name}"
        print(f"RATIO network_features{end}={median[name][1] / median['ours'][1]:.2f}")
    return int(not error <= GATE)


if __name__ == "__main__":
    sys.exit(main())
