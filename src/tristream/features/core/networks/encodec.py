"""EnCodec's encoder on sounds of any length: in chunks, with the numbers of one pass.

Its convolutions look back a fixed time and its recurrence is causal. So a chunk is computed with
the samples that its convolutions reach back to, the recurrence goes on from the state in which the
chunk before left it, and the last convolution gets the last frames of before.
"""

from collections.abc import Iterator
from typing import Any

from tristream.features.core.audio.sound_stream import Track

CHUNK = 1500
"""Frames a chunk: 20 s."""


def stride_of(network: Any) -> int:
    """Samples of a frame."""
    stride = 1
    for ratio in network.config.upsampling_ratios:
        stride *= ratio
    return stride


def memory_of(network: Any) -> int:
    """Samples before a frame that the convolutions before the recurrence see, at most."""
    from transformers.models.encodec.modeling_encodec import EncodecConv1d, EncodecLSTM

    reach, stride = 0, 1
    for layer in network.encoder.layers:
        if isinstance(layer, EncodecLSTM):
            break
        for part in layer.modules():
            if isinstance(part, EncodecConv1d):
                conv = part.conv
                reach += (conv.kernel_size[0] - 1) * conv.dilation[0] * stride
                stride *= conv.stride[0]
    return reach


def latents(
    network: Any, track: Track, device: str, chunk: int = CHUNK
) -> Iterator[tuple[int, Any]]:
    """Latent frames of a sound.

    Parameters
    ----------
    network : EncodecModel
        Causal, mono, without normalisation.
    track : Track
        At its rate.
    chunk : int
        Frames a piece; more than the last convolution is long, which mirrors the first ones.

    Yields
    ------
    first : int
        Number of the piece's first frame.
    frames : tensor (frames, columns)
    """
    import torch

    stride = stride_of(network)
    context = -(-memory_of(network) // stride)
    before, recurrent, after = _parts(network)
    reach = after[-1].conv.kernel_size[0] - 1
    state = held = None
    first = 0
    for piece in track.pieces(chunk * stride, context * stride):
        # Before the sound the network pads by itself.
        known = min(context, first)
        sound = torch.from_numpy(piece[(context - known) * stride :]).to(device)
        hidden = sound[None, None].float()
        for layer in before:
            hidden = layer(hidden)
        hidden = hidden[..., known:].permute(2, 0, 1)
        output, state = recurrent.lstm(hidden, state)
        new = (output + hidden).permute(1, 2, 0)
        joined = new if held is None else torch.cat([held, new], 2)
        frames = joined
        for layer in after:
            frames = layer(frames)
        held = joined[..., -reach:] if reach else None
        yield first, frames[0, :, joined.shape[2] - new.shape[2] :].T
        first += new.shape[2]


def _parts(network: Any) -> tuple[list[Any], Any, list[Any]]:
    """Layers before the recurrence, it, and those after."""
    from transformers.models.encodec.modeling_encodec import EncodecLSTM

    layers = list(network.encoder.layers)
    at = next(i for i, layer in enumerate(layers) if isinstance(layer, EncodecLSTM))
    return layers[:at], layers[at], layers[at + 1 :]
