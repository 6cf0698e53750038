"""From a folder of music to the folder of a trained network."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tristream.device import choose_device
from tristream.errors import UserError
from tristream.genre import checkpoint
from tristream.genre.corpus import Corpus, read_corpus, split_corpus
from tristream.genre.description import CONFIG, SENTENCES, Shape
from tristream.genre.evaluation import PERMUTATIONS, Evaluation, evaluate
from tristream.genre.network_folder import write_network
from tristream.genre.networks import NETWORKS
from tristream.genre.sound_inputs import window_seconds
from tristream.genre.training import Trained, Training, train
from tristream.genre.windows import cut_windows
from tristream.phrases import counted

SCRATCH = "windows.float32"


def train_genre_network(
    folder: Path,
    output: Path,
    network: str = "crnn",
    *,
    frames: int = 128,
    training: Training | None = None,
    leave_out_faults: bool = False,
    kept_out: Sequence[Path] = (),
    groups: Path | None = None,
    device: str = "auto",
    workers: int = 0,
    progress: bool = True,
    after_epoch: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Train on a folder ``GENRE/TRACK.wav``, test on tracks that were held out, write the network.

    A training that was killed goes on after its last epoch, and ends with the same weights.

    Parameters
    ----------
    folder : Path
        One folder a genre, each with sounds of any length (GTZAN: 30 s at 22,050 Hz).
    output : Path
        Gets ``config.json``, ``model.safetensors``, ``tracks.tsv``, ``curve.tsv``,
        ``confusion.tsv`` and ``embedding.tsv``.
    network : str
        ``lstm``, ``crnn`` or ``tcn``.
    frames : int
        Spectra of a window, 23 ms apart; 128 are 3 s.
    training : Training, optional
    leave_out_faults, kept_out, groups
        See :func:`tristream.genre.corpus.read_corpus`.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    workers : int
        Processes that compute windows and read batches ahead.
    progress : bool
        Whether bars are drawn.
    after_epoch : callable, optional
        Called with the number of each epoch.

    Returns
    -------
    dict
        ``accuracy``, ``balanced_accuracy``, ``chance`` and ``p`` of the test tracks, and how it was
        trained, as in ``config.json``.

    Raises
    ------
    UserError
        If there is no such network, the output holds a trained one, the corpus can't be used, or a
        checkpoint there is of another training.
    """
    training = training or Training()
    if network not in NETWORKS:
        raise UserError(f"network {network!r}: there are {', '.join(NETWORKS)}")
    if frames < 8:
        raise UserError(f"frames: {frames}; a window needs 8 spectra at least")
    if (output / CONFIG).exists():
        raise UserError(f"{output}: holds a trained network; choose another folder, or delete it")
    device = choose_device(device)
    corpus = read_corpus(
        folder,
        leave_out_faults=leave_out_faults,
        kept_out=kept_out,
        groups=groups,
        progress=progress,
    )
    corpus = split_corpus(corpus, training.seed)
    shape = Shape(network, corpus.classes, frames)
    step = training.step or window_seconds(frames) / 2
    output.mkdir(parents=True, exist_ok=True)
    scratch = output / SCRATCH
    try:
        windows = cut_windows(corpus.tracks, corpus.labels, shape, step, scratch, workers, progress)
        trained = train(
            corpus,
            windows,
            shape,
            training,
            output,
            device=device,
            workers=workers,
            progress=progress,
            after_epoch=after_epoch,
        )
        found = evaluate(trained, corpus, windows, device, training.seed)
    finally:
        scratch.unlink(missing_ok=True)
    sentences = methods(corpus, trained, found, shape, training, step)
    report = write_network(output, corpus, trained, found, shape, training, sentences)
    (output / checkpoint.NAME).unlink(missing_ok=True)
    return report


def methods(
    corpus: Corpus,
    trained: Trained,
    found: Evaluation,
    shape: Shape,
    training: Training,
    step: float,
) -> list[str]:
    """What was done, as sentences of a methods section."""
    counts = {split: len(corpus.of(split)) for split in ("train", "validation", "test")}
    mixed = (
        f"mixup [@zhang2018] with weights from a beta distribution ({training.mixup:g}, "
        f"{training.mixup:g}), "
        if training.mixup
        else ""
    )
    sentences = [
        f"A network was trained to name the genre of music: {SENTENCES[shape.network]}, in windows "
        f"of {window_seconds(shape.frames):.2g} s, one every {step:.2g} s.",
        f"The corpus has {counted(sum(counts.values()), 'track')} of {len(corpus.classes)} genres; "
        f"{counts['train']} tracks were learnt from, {counts['validation']} told when to stop, and "
        f"{counts['test']} were held out, with all windows, and all copies, of a track on one side "
        "of the split.",
        f"It was trained with AdamW [@loshchilov2019], {mixed}a learning rate that fell from "
        f"{training.rate:g} along half a cosine, and early stopping; the weights are those after "
        f"epoch {trained.best} of {len(trained.curve)}, with the lowest validation loss.",
        f"Each held-out track was named by the mean of its windows' probabilities; chance is the "
        f"mean accuracy of {PERMUTATIONS:,} permutations of the labels.",
    ]
    known = [why for why in corpus.left_out.values() if "GTZAN" in why]
    if known:
        sentences.append(
            f"{counted(len(known), 'track')} of GTZAN [@tzanetakis2002] that are repeated, "
            "distorted or damaged [@sturm2013; @kereliuk2015] were left out."
        )
    if corpus.kept_out:
        gone = sum(why.startswith("kept out") for why in corpus.left_out.values())
        sentences.append(
            f"Tracks that are one of {counted(len(corpus.kept_out), 'sound')} of the test runs, by "
            f"the file's checksum or by how they sound, were kept out of the corpus: {gone}."
        )
    if found.after is not None:
        sentences.append("Last layers were drawn by t-SNE [@maaten2008] in scikit-learn.")
    return sentences
