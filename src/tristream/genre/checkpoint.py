"""One file that a killed training goes on from: weights, the optimiser's state, and the curve."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from tristream.errors import UserError
from tristream.errors.json_text import parse
from tristream.store import atomic_path

NAME = "checkpoint.safetensors"


@dataclass
class Progress:
    """How far a training has come.

    Attributes
    ----------
    curve : list of dict
        A row an epoch.
    best : int
        Number of the epoch with the lowest validation loss, from 1; 0: none yet.
    kept : dict of str to Tensor
        The network's state after it.
    """

    curve: list[dict[str, float]] = field(default_factory=list)
    best: int = 0
    kept: dict[str, torch.Tensor] = field(default_factory=dict)


def write(
    folder: Path,
    network: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    progress: Progress,
    asked: str,
) -> None:
    """Write the state after an epoch, in place of the one before.

    Parameters
    ----------
    folder : Path
    network : Module
    optimiser : Optimizer
    progress : Progress
    asked : str
        Fingerprint of what is trained on what; only the same training goes on.
    """
    from safetensors.torch import save_file

    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"kept.{name}": value for name, value in progress.kept.items()}
    for number, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{number}.{name}": value for name, value in state.items()}
    about = {"asked": asked, "best": progress.best, "curve": progress.curve}
    with atomic_path(folder / NAME) as temporary:
        save_file(
            {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()},
            temporary,
            metadata={"training": json.dumps(about)},
        )


def read(
    folder: Path, network: torch.nn.Module, optimiser: torch.optim.Optimizer, asked: str
) -> Progress:
    """Go back to the last epoch that was written; from the beginning if there is none.

    Raises
    ------
    UserError
        If the checkpoint is of another training, or damaged.
    """
    from safetensors import SafetensorError, safe_open

    path = folder / NAME
    if not path.exists():
        return Progress()
    try:
        with safe_open(path, "pt") as file:
            about = parse(file.metadata()["training"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if about["asked"] != asked:
            raise UserError(
                f"{path}: is of a training with other settings or sounds; delete it, or choose "
                "another folder"
            )
        network.load_state_dict(_part(tensors, "network."))
        states: dict[int, dict[str, Any]] = {}
        for name, value in _part(tensors, "optimiser.").items():
            number, key = name.split(".", 1)
            states.setdefault(int(number), {})[key] = value
        groups = optimiser.state_dict()["param_groups"]
        optimiser.load_state_dict({"state": states, "param_groups": groups})
        return Progress(list(about["curve"]), int(about["best"]), _part(tensors, "kept."))
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        if isinstance(error, UserError):
            raise
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{path}: can't be gone on from ({reason}); delete it to begin anew"
        ) from None


def _part(tensors: dict[str, torch.Tensor], start: str) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)
    }
