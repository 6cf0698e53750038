"""How many tests were made of one subject: a p value is read differently among thousands."""

from collections.abc import Iterator
from pathlib import Path

from tristream.inference.comparison_file import read_comparison
from tristream.inference.inference_file import read_inference
from tristream.inference.tested_partition_file import read_partition_test
from tristream.phrases import counted, listed
from tristream.report.study_results import Results


def tests_made(results: Results, dataset: str, subject: str) -> str:
    """A sentence with the number of p values of all files that have some; empty without any."""
    kinds = {
        "model": list(_of_models(results, dataset, subject)),
        "comparison": list(_of_comparisons(results, dataset, subject)),
        "set of bands": list(_of_sets(results, dataset, subject)),
    }
    found = [
        f"{sum(numbers):,} of {_kinds(len(numbers), kind)}"
        for kind, numbers in kinds.items()
        if numbers
    ]
    if not found:
        return ""
    total = sum(sum(numbers) for numbers in kinds.values())
    return (
        f"{total:,} p values were computed for this subject, of voxels and regions: "
        f"{listed(found)}. Each model, comparison and set of bands was corrected by itself, over "
        "its voxels and over its regions, and not for the number of them."
    )


def _kinds(number: int, kind: str) -> str:
    if kind == "set of bands" and number > 1:
        return f"{number} sets of bands"
    return counted(number, kind)


def _expected(results: Results, place: str, **wildcards: str) -> Path | None:
    """A file that the study has and that is there."""
    if not results.expects(place, **wildcards):
        return None
    path = results.path(place, **wildcards)
    return path if path.is_file() else None


def _of_models(results: Results, dataset: str, subject: str) -> Iterator[int]:
    for model in results.models(dataset):
        names = {"dataset": dataset, "model": model, "subject": subject}
        path = _expected(results, "inference", **names)
        if path and (found := read_inference(path)[0].found):
            yield len(found.p)


def _of_comparisons(results: Results, dataset: str, subject: str) -> Iterator[int]:
    for pair in results.resolved.study.inference.comparisons:
        names = {"first": pair.first, "second": pair.second}
        path = _expected(results, "comparison", dataset=dataset, subject=subject, **names)
        if path and (found := read_comparison(path)[0].found):
            yield len(found.p) + len(found.regions)


def _of_sets(results: Results, dataset: str, subject: str) -> Iterator[int]:
    for model in results.models(dataset):
        names = {"dataset": dataset, "model": model, "subject": subject}
        if path := _expected(results, "partition_test", **names):
            for one in read_partition_test(path)[0].found.values():
                yield len(one.p) + len(one.region_p)
