"""What a fit is given of the study."""

from tristream.config.models import EncodingModel


def test_the_order_in_which_bands_are_written_changes_no_fit():
    bands = {"ventral": ["a"], "dorsal": ["b"], "nuisance": ["c"]}
    one = EncodingModel(datasets=["x"], bands=bands).fitted_design
    other = EncodingModel(datasets=["x"], bands=dict(reversed(bands.items()))).fitted_design
    assert list(one.bands) == list(other.bands) == ["dorsal", "nuisance", "ventral"]
    assert one.model_dump_json() == other.model_dump_json()
