"""Delays have a unit; by default they reach over the response at any TR."""

from typing import Any

import pytest
from pydantic import ValidationError

from tristream.config.decoders import DecoderDesign
from tristream.config.delays import in_volumes
from tristream.config.models import EncodingDesign


def delays(*given: Any) -> list[str]:
    keys = {"delays": given[0]} if given else {}
    return EncodingDesign(bands={"b": ["s"]}, **keys).delays


def decoder(**keys: Any) -> DecoderDesign:
    return DecoderDesign(kind="ridge", samples="volumes", **keys)


@pytest.mark.parametrize("tr", [0.4, 0.5, 0.72, 1.0, 1.5, 2.0, 2.47, 3.0, 6.0])
def test_defaults_reach_from_two_to_eight_seconds(tr: float) -> None:
    found = in_volumes(delays(), tr)
    assert found == list(range(found[0], found[-1] + 1))
    assert abs(found[0] * tr - 2) <= tr / 2
    assert abs(found[-1] * tr - 8) <= tr / 2


@pytest.mark.parametrize(
    ("given", "tr", "volumes"),
    [
        ("2-8 s", 0.5, list(range(4, 17))),
        (["2 s", "4 s", "6 s"], 1.5, [1, 3, 4]),
        (["2 s", "3 s"], 2.5, [1]),
        (["1 TR", "4 TR"], 0.5, [1, 4]),
        ("1-4 TR", 2.0, [1, 2, 3, 4]),
        ("1.5 - 4.5s", 1.5, [1, 2, 3]),
        (0, 2.0, [0]),
        ([0], 2.0, [0]),
    ],
)
def test_seconds_and_volumes(given: Any, tr: float, volumes: list[int]) -> None:
    assert in_volumes(delays(given), tr) == volumes


@pytest.mark.parametrize("given", [[1, 2], 4, [2.5]])
def test_numbers_without_a_unit_are_refused_with_what_to_write(given: Any) -> None:
    with pytest.raises(ValidationError, match=r"has no unit: write `\[\d(\.5)? TR"):
        delays(given)


@pytest.mark.parametrize("given", ["", "soon", "2 sec", ["-2 s"], "8-2 min", [True]])
def test_what_is_no_delay(given: Any) -> None:
    with pytest.raises(ValidationError):
        delays(given)


def test_a_decoder_counts_numbers_as_seconds_as_it_did() -> None:
    assert decoder(delay=5).delay == decoder(delay="5 s").delay == "5 s"
    assert decoder(delay=0).delay == "0 s"
    assert decoder().delay is None


@pytest.mark.parametrize("given", ["0-1000000000 s", ["2 s", "1001 TR"], "9" * 400 + " s"])
def test_delays_that_no_response_has(given: Any) -> None:
    """A list of every volume between them would fill the memory."""
    with pytest.raises(ValidationError, match="is too late: write a delay of 1000 s or TR at most"):
        delays(given)
