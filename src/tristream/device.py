"""Where torch computes."""

from tristream.errors import UserError


def choose_device(wanted: str) -> str:
    """The device of torch that is wanted; ``auto`` takes the GPU if there is one.

    Raises
    ------
    UserError
        If ``cuda`` is wanted and torch finds no GPU.
    """
    import torch

    found = torch.cuda.is_available()
    if wanted == "auto":
        return "cuda" if found else "cpu"
    if wanted.startswith("cuda") and not found:
        raise UserError(f"device: {wanted}, but torch finds no GPU; use auto or cpu")
    return wanted
