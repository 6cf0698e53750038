"""RAFT (Teed and Deng 2020), as torchvision has it: an optional extra."""

from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING

import torch

from tristream.errors import UserError
from tristream.features.spaces.optical_flow.fields import batched

if TYPE_CHECKING:
    from tristream.features.spaces.optical_flow.fields import Fields

UPDATES = 12
# The first convolution of the small network has so many channels, of the large one twice as many.
FIRST = "feature_encoder.convnormrelu.0.weight"
SMALL = 32
TOGETHER = 8


def load_raft(checkpoint: Path, device: str) -> "Fields":
    """RAFT, small or large as its checkpoint says, as a flow method.

    Parameters
    ----------
    checkpoint : Path
        State of torchvision's ``raft_small`` or ``raft_large``, a ``.pth`` file.

    Raises
    ------
    UserError
        If torchvision is missing, or the file holds no such state.
    """
    try:
        from torchvision.models import optical_flow
    except (ImportError, RuntimeError):
        # RuntimeError: a torchvision that was built for another torch.
        raise UserError(
            "method: raft needs torchvision, which is not installed or does not fit torch; "
            "pip install torchvision, or choose another method"
        ) from None
    try:
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
        small = state[FIRST].shape[0] == SMALL
        network = optical_flow.raft_small() if small else optical_flow.raft_large()
        network.load_state_dict(state)
    except FileNotFoundError:
        raise UserError(f"{checkpoint}: no such file; give RAFT's weights") from None
    except (UnpicklingError, RuntimeError, EOFError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"{checkpoint}: does not hold the weights of torchvision's raft_small or raft_large"
        ) from None
    network.eval().to(device)

    def displacement(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
        flow: torch.Tensor = network(2 * before - 1, 2 * after - 1, num_flow_updates=UPDATES)[-1]
        return flow

    # The correlation pyramid of the network wants pictures of 128 pixels at least.
    return batched(displacement, device, multiple=8, smallest=128, together=TOGETHER)
