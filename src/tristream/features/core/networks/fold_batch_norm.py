"""Batch normalisation folded into the convolution before it: the same function, sooner."""

from itertools import pairwise
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Network = TypeVar("Network", bound=nn.Module)


def fuse(network: Network) -> Network:
    """Fold each normalisation into the convolution that stands directly before it.

    A module's children are taken to be applied in the order in which they were made. That holds for
    the networks that are read here, as the tests of their layers against ``transformers`` show; it
    is not so for every network.

    Parameters
    ----------
    network : Module
        In evaluation mode; is changed.
    """
    for owner in list(network.modules()):
        for (first, convolution), (second, norm) in pairwise(list(owner.named_children())):
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(owner, first, fuse_conv_bn_eval(convolution, norm))
                setattr(owner, second, nn.Identity())
    return network
