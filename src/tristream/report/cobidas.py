"""The study beside the COBIDAS checklist: what the files answer, and what only its authors can.

Committee on Best Practice in Data Analysis and Sharing (Nichols et al. 2017, Nature Neuroscience
20:299, https://doi.org/10.1038/nn.4500). Answers are facts of the files that the study wrote or
fetched, never its configuration: what was asked for need not be what was done.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from nibabel.affines import voxel_sizes

from tristream import __version__
from tristream.bold.index_file import BoldIndex, IndexedRun
from tristream.decode.decoding_file import Decoding, read_decoding
from tristream.encode.encoding_file import ScoredVoxels, read_scores
from tristream.inference.group_file import GroupLevel, read_group
from tristream.inference.inference_file import TestedModel, read_inference
from tristream.report.elements import Block, Link, Page, Section, Table, Text, shown
from tristream.report.references import resolve
from tristream.report.sections.provenance import versions
from tristream.report.study_results import Results
from tristream.stimuli.tables import read_inventory
from tristream.store import provenance_at

FILE = "checklist.html"
TITLE = "COBIDAS checklist"
YOURS = "to be filled in by you: no file has it"
COLUMNS = ("area", "item", "answer")
AREAS = {
    "design": "Experimental design",
    "acquisition": "Acquisition",
    "preprocessing": "Preprocessing",
    "statistics": "Statistical modelling and inference",
    "results": "Results",
    "sharing": "Data sharing and reproducibility",
}


class Known:
    """What the files of one dataset say; each is opened once."""

    def __init__(self, results: Results, dataset: str) -> None:
        self.results, self.dataset = results, dataset

    @cached_property
    def indices(self) -> list[BoldIndex]:
        """Of subjects whose BOLD is there."""
        return self.results.indices(self.dataset)

    @property
    def runs(self) -> list[IndexedRun]:
        """Of all these subjects."""
        return [run for index in self.indices for run in index.runs]

    @cached_property
    def encodings(self) -> dict[str, ScoredVoxels]:
        """The first fitted subject of each model."""
        out: dict[str, ScoredVoxels] = {}
        for one, path in self.results.existing("encoding", dataset=self.dataset):
            if one["model"] not in out:
                out[one["model"]] = read_scores(path)[0]
        return out

    @cached_property
    def tests(self) -> dict[str, list[TestedModel]]:
        """Of each model, subject by subject."""
        out: dict[str, list[TestedModel]] = {}
        for one, path in self.results.existing("inference", dataset=self.dataset):
            out.setdefault(one["model"], []).append(read_inference(path)[0])
        return out

    @cached_property
    def decodings(self) -> dict[str, Decoding]:
        """The first fitted subject of each decoder."""
        out: dict[str, Decoding] = {}
        for one, path in self.results.existing("decoding", dataset=self.dataset):
            if one["decoder"] not in out:
                out[one["decoder"]] = read_decoding(path)[0]
        return out

    @cached_property
    def groups(self) -> dict[str, GroupLevel]:
        """Group results of each model."""
        found = self.results.existing("group", dataset=self.dataset)
        return {one["model"]: read_group(path)[0] for one, path in found}

    def sentences(self, *places: str) -> str:
        """What files say was done, each sentence once."""
        found: dict[str, None] = {}
        for place in places:
            for one, path in self.results.existing(place, dataset=self.dataset):
                found |= dict.fromkeys(provenance_at(path, one.kind).methods)
        return resolve(" ".join(found))

    def number(self, place: str) -> int:
        """How many files of a place are there."""
        return len(self.results.existing(place, dataset=self.dataset))


@dataclass(frozen=True)
class Item:
    """One line of the checklist.

    Attributes
    ----------
    area, text : str
        Where it stands, and what is to be told.
    answer : callable or None
        From the files; an empty answer, or None, is for the authors to give.
    """

    area: str
    text: str
    answer: Callable[[Known], str] | None = None


def _subjects(known: Known) -> str:
    return f"{number} with BOLD that was analysed" if (number := len(known.indices)) else ""


def _shown_stimuli(known: Known) -> str:
    path = known.results.path("inventory", dataset=known.dataset)
    if not path.is_file():
        return ""
    table = read_inventory(path).table
    kinds = Counter(table["kind"].astype(str))
    parts = [f"{count} presentations of kind {kind}" for kind, count in sorted(kinds.items())]
    parts.append(f"{table['stimulus'].nunique()} different stimuli or labels")
    lengths = table["duration"].astype(float).dropna()
    if len(lengths):
        parts.append(f"each lasting {lengths.min():.3g} to {lengths.max():.3g} s")
    return "; ".join(parts)


def _run_lengths(known: Known) -> str:
    if not known.runs:
        return ""
    lengths = [run.volumes for run in known.runs]
    each = sorted({len(index.runs) for index in known.indices})
    return f"{_range(each)} runs a subject; {_range(lengths)} volumes or trials a run"


def _range(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return shown(low) if low == high else f"{shown(low)} to {shown(high)}"


def _power(known: Known) -> str:
    found = known.results.existing("power")
    return (
        f"simulated for the designs {', '.join(one['power'] for one, _ in found)}" if found else ""
    )


def _tr(known: Known) -> str:
    return f"{_range([run.tr for run in known.runs])} s" if known.runs else ""


def _grid(known: Known) -> str:
    for scored in known.encodings.values():
        if scored.grayordinates is not None:
            return f"{len(scored.ijk):,} grayordinates"
        sizes = " × ".join(f"{size:.3g}" for size in voxel_sizes(scored.affine))
        matrix = " × ".join(str(int(n)) for n in scored.shape)
        return f"{sizes} mm, {matrix} voxels, as analysed"
    return ""


def _spaces(known: Known) -> str:
    return ", ".join(dict.fromkeys(index.space for index in known.indices if index.space))


def _motion(known: Known) -> str:
    moved = [run.fd_mean for run in known.runs if run.fd_mean is not None]
    parts = []
    if moved:
        parts.append(f"mean framewise displacement {_range([round(one, 3) for one in moved])} mm")
    if known.runs:
        parts.append(f"{sum(run.censored for run in known.runs):,} volumes censored in all")
    return "; ".join(parts)


def _confounds(known: Known) -> str:
    if not known.runs:
        return ""
    if not any(run.projected for run in known.runs):
        return "nothing was projected out"
    read = _range([run.confounds for run in known.runs])
    projected = _range([run.projected for run in known.runs])
    return f"{read} confounds a run; {projected} dimensions projected out, mean and trend included"


def _quality(known: Known) -> str:
    # None where responses to trials were given, which have no volumes.
    found = [run.tsnr_median for run in known.runs if run.tsnr_median is not None]
    return f"median tSNR {_range(found)}" if found else ""


def _searched(known: Known) -> str:
    found = {name: len(one.ijk) for name, one in known.encodings.items()}
    parts = [f"model {name}: {number:,} voxels or vertices" for name, number in found.items()]
    parts += [f"decoder {name}: {one.n_voxels:,}" for name, one in known.decodings.items()]
    return "; ".join(parts)


def _validation(known: Known) -> str:
    parts = [
        f"model {name}: {scheme}"
        for name, one in known.encodings.items()
        if (scheme := one.about.get("scheme"))
    ]
    parts += [f"decoder {name}: {one.scheme}" for name, one in known.decodings.items()]
    return "; ".join(parts)


def _tested(known: Known) -> str:
    parts = []
    for name, tests in known.tests.items():
        first = tests[0]
        numbers = _range([one.n_permutations for one in tests])
        parts.append(f"model {name}: {first.statistic}; {first.null}; {numbers} permutations")
    for name, one in known.decodings.items():
        parts.append(f"decoder {name}: {one.permuted} permuted, {len(one.null)} permutations")
    return ". ".join(parts)


def _corrected(known: Known) -> str:
    names = {"bh": "Benjamini-Hochberg", "by": "Benjamini-Yekutieli"}
    parts = [
        f"model {name}: false discovery rate {tests[0].fdr:g} ({names[tests[0].procedure]})"
        + "".join(f", {test}" for test in tests[0].spatial)
        for name, tests in known.tests.items()
        if tests[0].found is not None
    ]
    return "; ".join(parts)


def _significant(known: Known) -> str:
    parts = []
    for name, tests in known.tests.items():
        found = [int(one.found.significant.sum()) for one in tests if one.found is not None]
        if found:
            parts.append(f"model {name}: {_range(found)} significant voxels a subject")
    return "; ".join(parts)


def _effects(known: Known) -> str:
    parts = [
        f"model {name}: mean r {float(np.nanmean(one.scores.r)):.3f} in the first subject"
        for name, one in known.encodings.items()
    ]
    parts += [f"decoder {name}: {one.accuracy:.3f}" for name, one in known.decodings.items()]
    return "; ".join(parts)


def _group(known: Known) -> str:
    parts = [
        f"{name}: {one.measure}, {len(one.subjects)} subjects" for name, one in known.groups.items()
    ]
    return "; ".join(parts)


def _maps(known: Known) -> str:
    number = known.number("maps") + known.number("contrast_maps")
    return f"{number} sets of maps, not thresholded, under maps/" if number else ""


def _peaks(known: Known) -> str:
    number = known.number("cluster_table")
    return f"{number} tables of clusters, with places in mm, under inference/" if number else ""


def _licence(known: Known) -> str:
    receipt = known.results.receipt(known.dataset)
    return receipt.licence if receipt else ""


def _version(known: Known) -> str:
    receipt = known.results.receipt(known.dataset)
    if receipt is None:
        return ""
    source = receipt.source
    version = receipt.commit or str(source.get("version") or source.get("revision") or "")
    simulated = "; simulated, no measurement was made" if receipt.simulated else ""
    return (
        f"{receipt.name}, version {version}{simulated}" if version else f"{receipt.name}{simulated}"
    )


def _software(known: Known) -> str:
    del known
    found = {"tristream": __version__, **versions()}
    return ", ".join(f"{name} {number}" for name, number in found.items())


ITEMS = (
    Item("design", "Number of subjects", _subjects),
    Item("design", "Age, sex, handedness and recruitment of subjects"),
    Item("design", "Ethical approval and informed consent"),
    Item("design", "Criteria by which subjects were included or left out"),
    Item("design", "Sample size and how it was chosen", _power),
    Item("design", "Stimuli or conditions, their number and lengths", _shown_stimuli),
    Item("design", "Runs, and their lengths", _run_lengths),
    Item("design", "Task, instructions, and performance"),
    Item("design", "How stimuli were presented (screen, sound, software)"),
    Item("acquisition", "Scanner: maker, model, field strength, coil"),
    Item("acquisition", "Sequence: TE, flip angle, slices, acceleration, phase encoding"),
    Item("acquisition", "TR", _tr),
    Item("acquisition", "Voxels and matrix", _grid),
    Item("acquisition", "Anatomical images and field maps"),
    Item("preprocessing", "Steps and software, in order", lambda k: k.sentences("receipt", "bold")),
    Item("preprocessing", "Space of the analysis", _spaces),
    Item("preprocessing", "Confounds and filtering", _confounds),
    Item("preprocessing", "Head motion, and volumes that were left out", _motion),
    Item("preprocessing", "Quality of the data", _quality),
    Item("preprocessing", "What earlier pipelines did (distortion, slice timing, smoothing)"),
    Item(
        "statistics", "Regressors: features of stimuli", lambda k: k.sentences("features", "fusion")
    ),
    Item("statistics", "Model and its estimation", lambda k: k.sentences("encoding", "contrast")),
    Item("statistics", "Classifiers", lambda k: k.sentences("decoding", "identification")),
    Item("statistics", "Training and test data", _validation),
    Item("statistics", "Search volume", _searched),
    Item("statistics", "Tests and permutations", _tested),
    Item("statistics", "Correction for many tests", _corrected),
    Item("statistics", "Inference over subjects", _group),
    Item("statistics", "Hypotheses that were stated before the data were seen"),
    Item("results", "Sizes of effects", _effects),
    Item("results", "Significant voxels", _significant),
    Item("results", "Places of peaks", _peaks),
    Item("results", "Maps without a threshold", _maps),
    Item("sharing", "Version of the data", _version),
    Item("sharing", "Licence of the data", _licence),
    Item("sharing", "Where data and results can be had"),
    Item("sharing", "Software and versions", _software),
    Item(
        "sharing",
        "Code of the analysis",
        lambda k: "the configuration that makes it again is on the first page",
    ),
)


def answers(results: Results, dataset: str) -> list[tuple[Item, str]]:
    """Every item with what the files answer; empty where they do not."""
    known = Known(results, dataset)
    return [(item, item.answer(known) if item.answer else "") for item in ITEMS]


def page(results: Results, banner: str) -> Page:
    """A section a dataset; `banner` stands above them."""
    found = Page(FILE, TITLE, results.resolved.study.title, banner)
    for dataset in results.resolved.datasets:
        told = answers(results, dataset)
        filled = sum(bool(answer) for _, answer in told)
        blocks: list[Block] = [
            Text(f"{filled} of {len(told)} items are answered by files; the others are yours."),
            Table("", COLUMNS, tuple((AREAS[i.area], i.text, a or YOURS) for i, a in told)),
        ]
        found.sections.append(Section(dataset, dataset, blocks))
    intro = (
        "Items that the field asks papers to report (Nichols et al. 2017, doi:10.1038/nn.4500), "
        "shortened. Answers are what files of the study say, not its configuration."
    )
    blocks = [Text(intro), Text("The same as prose:", Link("methods", "index.html#methods"))]
    found.sections.insert(0, Section("about", "How to read it", blocks))
    return found
