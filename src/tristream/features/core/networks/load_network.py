"""Load a network from a folder: safetensors only, no code of the model's, no network."""

import os
from pathlib import Path
from typing import Any

from tristream.errors import UserError
from tristream.errors.json_text import read_object
from tristream.fetch.weights import network_files

# Weights that stand for what is hidden in training, and are used then alone; some published
# networks (wav2vec2-base-960h) come without them.
TRAINING_ONLY = ("masked_spec_embed", "mask_token", "mask_embedding")

# What these keys may be: other attention is code of the hub, quantisation other packages'.
FOREIGN: dict[str, tuple[str | None, ...]] = {
    "_attn_implementation": (None, "eager", "sdpa"),
    "attn_implementation": (None, "eager", "sdpa"),
    "_attn_implementation_internal": (None, "eager", "sdpa"),
    "quantization_config": (None,),
}


def load_network(folder: Path, kind: str = "AutoModel", device: str = "cpu", **options: Any) -> Any:
    """A pretrained network in evaluation mode, float32.

    Parameters
    ----------
    folder : Path
        Holds ``config.json`` and safetensors.
    kind : str
        Class of ``transformers`` that builds it: ``AutoModel``, ``CLIPVisionModel`` …
    device : str
        ``cpu`` or ``cuda``.
    **options
        Passed on to ``from_pretrained``.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    UserError
        If the folder holds no safetensors, `transformers` doesn't know the network without code
        from elsewhere, a tensor has another shape than the network's, or weights are missing.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"
    network_files(folder)
    refuse_foreign_code(folder / "config.json")
    transformers = import_transformers()
    try:
        network, loading = getattr(transformers, kind).from_pretrained(
            str(folder),
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            dtype="float32",
            **options,
        )
    except Exception as error:  # whatever comes of a description in which anything may stand
        reason = " ".join(str(error).split())[:300]
        raise UserError(
            f"{folder}: can't be loaded as {kind} ({reason}); fetch the network again"
        ) from None
    missing = sorted(
        key for key in loading["missing_keys"] if key.rsplit(".", 1)[-1] not in TRAINING_ONLY
    )
    if missing:
        raise UserError(
            f"{folder}: lacks {len(missing)} weights of {type(network).__name__}, such as "
            f"{missing[0]}; an untrained network is not used in its place"
        )
    return network.eval().requires_grad_(False).to(device)


def refuse_foreign_code(path: Path) -> None:
    """Refuse a network's description that has other packages, or code of the hub, at work.

    Raises
    ------
    UserError
        Naming the key.
    """
    pending: list[Any] = [read_object(path, remedy="fetch the network again")]
    while pending:
        one = pending.pop()
        if not isinstance(one, dict | list):
            continue
        if isinstance(one, dict):
            for key in FOREIGN:
                if one.get(key) not in FOREIGN[key]:
                    raise UserError(
                        f"{path}: {key} asks for {str(one[key])[:60]!r}, which is not used here; "
                        "give a network saved without it"
                    )
        pending += one.values() if isinstance(one, dict) else one


def import_transformers() -> Any:
    """The package ``transformers``, silent.

    Raises
    ------
    UserError
        If it is not installed.
    """
    try:
        import transformers
    except ModuleNotFoundError:
        raise UserError(
            "networks need the package transformers; run `pip install tristream[networks]`"
        ) from None
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return transformers
