"""All regions together: a name that no region has, and voxels that several share once."""

from types import SimpleNamespace

import numpy as np
import pytest

from tristream.config.identification import IdentificationDesign
from tristream.decode.decoded_places import joined_name, places_of

DESIGN = IdentificationDesign(features=["net"], regions=["V1", "LOC"], banded=True)


def test_shared_voxels_are_there_once_and_in_both_bands():
    units = SimpleNamespace(regions={"V1": np.array([2, 5, 9]), "LOC": np.array([5, 11])})
    *regions, joined = places_of(units, DESIGN)
    assert [one.name for one in regions] == ["V1", "LOC"]
    assert not any(one.bands for one in regions)
    assert joined.voxels.tolist() == [2, 5, 9, 11]
    for name, own in units.regions.items():
        assert joined.voxels[joined.bands[name]].tolist() == own.tolist()


def test_without_the_option_there_are_regions_alone():
    units = SimpleNamespace(regions={"V1": np.array([2]), "LOC": np.array([5])})
    assert len(places_of(units, DESIGN.model_copy(update={"banded": False}))) == 2


def test_one_region_is_refused():
    with pytest.raises(ValueError, match="regions are the bands, and one is named"):
        places_of(SimpleNamespace(regions={"V1": np.array([2])}), DESIGN)


@pytest.mark.parametrize(
    ("regions", "name"),
    [
        (["V1", "V2", "LOC"], "V1+V2+LOC"),
        (["lateral occipital", "fusiform"], "all 2 regions"),
        # A region may be called anything.
        (["all 2 regions", "fusiform face area"], "all 2 regions, joined"),
        (["V1", "V2", "V1+V2"], "V1+V2+V1+V2"),
    ],
)
def test_names(regions, name):
    assert joined_name(regions) == name
