"""What was found, as few numbers: read once, for the first page, datasets' and subjects' pages."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tristream.contrast.contrast_file import read_contrast_table
from tristream.decode.decoding_file import read_decoding
from tristream.decode.mass_univariate_file import SHOWN, read_mass_univariate
from tristream.encode.encoding_file import read_left_out, read_scores
from tristream.encode.jackknife import Interval
from tristream.encode.over_ceiling import over_regions
from tristream.inference.group_file import read_group
from tristream.inference.inference_file import read_inference
from tristream.inference.table_files import WHOLE, read_by_region
from tristream.report.declared import Input
from tristream.report.elements import shown
from tristream.report.item_findings import ItemFinding, alike, identified
from tristream.report.study_results import Results
from tristream.report.workers import make

PROCEDURES = {"bh": "Benjamini-Hochberg", "by": "Benjamini-Yekutieli"}
LEVEL = 0.05


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval; ends are NaN where there is none."""

    value: float
    low: float = np.nan
    high: float = np.nan

    @classmethod
    def of(cls, found: Interval) -> "Estimate | None":
        """Of the first region; None where it is not known."""
        if np.isnan(found.value[0]):
            return None
        return cls(*(float(ends[0]) for ends in (found.value, found.low, found.high)))

    def __format__(self, how: str) -> str:
        """``0.123 [0.101, 0.145]``, each end in the given format."""
        how = how or ".3f"
        if np.isnan(self.low):
            return f"{self.value:{how}}"
        return f"{self.value:{how}} [{self.low:{how}}, {self.high:{how}}]"


@dataclass(frozen=True)
class ModelFinding:
    """One encoding model of one subject.

    Attributes
    ----------
    dataset, model, subject : str
        Of whom.
    simulated : bool
        Whether the BOLD was simulated.
    voxels : int
        How many were fitted.
    r : Estimate
        Test r, mean over all voxels.
    top : float
        Its 99th percentile.
    over_ceiling : Estimate or None
        r over its ceiling, pooled over all voxels; None where it is not known.
    significant : int or None
        Significant voxels; None without p values.
    regions : tuple of int or None
        Regions of the atlas with a significant voxel, and all.
    test, corrected : str
        What was permuted how often, and for what p was corrected; empty without p values.
    why : str
        Why there are no p values.
    """

    dataset: str
    model: str
    subject: str
    simulated: bool
    voxels: int
    r: Estimate
    top: float
    over_ceiling: Estimate | None = None
    significant: int | None = None
    regions: tuple[int, int] | None = None
    test: str = ""
    corrected: str = ""
    why: str = ""

    @property
    def share(self) -> float:
        """Of the voxels, those that are significant; NaN without p values."""
        return np.nan if self.significant is None else self.significant / self.voxels


@dataclass(frozen=True)
class GroupFinding:
    """One encoding model of all subjects of a dataset.

    Attributes
    ----------
    dataset, model : str
        Of what.
    subjects : int
        How many.
    with_effect : int or None
        Subjects whose best voxel is significant, corrected for all.
    prevalence : str
        Share of the population that would show it, with its interval, in words; may be empty.
    voxels : int
        Voxels that all have; 0 where they share no grid.
    stimuli, people : int or None
        Those whose mean over subjects is significant for other stimuli, for other people.
    regions : tuple of int or None
        Regions whose mean is significant for other stimuli, family-wise, and all.
    """

    dataset: str
    model: str
    subjects: int
    with_effect: int | None
    prevalence: str
    voxels: int
    stimuli: int | None
    people: int | None
    regions: tuple[int, int] | None


@dataclass(frozen=True)
class DecoderFinding:
    """One decoder of one subject.

    Attributes
    ----------
    dataset, decoder, subject : str
        Of whom; the decoder's name says if it was fitted to other subjects.
    classes : int
        How many there were to choose from.
    accuracy, chance : float
        Share of held-out samples named right; the same with permuted labels.
    null : tuple of float or None
        Between which 95 % of permutations lie; None without them.
    p : float or None
        Of the accuracy.
    """

    dataset: str
    decoder: str
    subject: str
    classes: int
    accuracy: float
    chance: float
    null: tuple[float, float] | None
    p: float | None


@dataclass(frozen=True)
class ContrastFinding:
    """One contrast of one subject.

    Attributes
    ----------
    dataset, contrast, subject : str
        Of whom.
    voxels, above, below : int
        All; those that count for the first side, and for the second.
    highest, lowest : float
        Largest and smallest t.
    rule : str
        Which count, in words.
    threshold : float
        |t| that they reach; infinite where none does.
    """

    dataset: str
    contrast: str
    subject: str
    voxels: int
    above: int
    below: int
    highest: float
    lowest: float
    rule: str
    threshold: float


@dataclass(frozen=True)
class PairFinding:
    """Two labels compared in every voxel of one subject.

    Attributes
    ----------
    dataset, name, subject : str
        Of what.
    plus, minus : str
        The labels.
    voxels, first, second : int
        All; those that respond more to either, by corrected p (the largest t).
    """

    dataset: str
    name: str
    subject: str
    plus: str
    minus: str
    voxels: int
    first: int
    second: int


@dataclass(frozen=True)
class Findings:
    """What was found in the whole study; each in the order of the study."""

    models: Sequence[ModelFinding]
    groups: Sequence[GroupFinding]
    decoders: Sequence[DecoderFinding]
    contrasts: Sequence[ContrastFinding] = ()
    identified: Sequence[ItemFinding] = ()
    alike: Sequence[ItemFinding] = ()
    pairs: Sequence[PairFinding] = ()

    def of_model(self, dataset: str, model: str) -> list[ModelFinding]:
        """Subjects of one model."""
        return [one for one in self.models if (one.dataset, one.model) == (dataset, model)]

    def group(self, dataset: str, model: str) -> GroupFinding | None:
        """All subjects of one model together; None where there are none."""
        found = [one for one in self.groups if (one.dataset, one.model) == (dataset, model)]
        return found[0] if found else None

    def of_subject(self, dataset: str, subject: str) -> "Findings":
        """Those of one subject."""
        return Findings(
            [one for one in self.models if (one.dataset, one.subject) == (dataset, subject)],
            [],
            [one for one in self.decoders if (one.dataset, one.subject) == (dataset, subject)],
            [one for one in self.contrasts if (one.dataset, one.subject) == (dataset, subject)],
            [one for one in self.identified if (one.dataset, one.subject) == (dataset, subject)],
            [one for one in self.alike if (one.dataset, one.subject) == (dataset, subject)],
            [one for one in self.pairs if (one.dataset, one.subject) == (dataset, subject)],
        )


def find(results: Results, workers: int = 1) -> Findings:
    """Read what was found, as far as there are files."""
    models, decoders, groups = [], [], []
    for dataset, subjects in results.resolved.subjects.items():
        for name in results.models(dataset):
            models += [partial(_model, results, dataset, name, subject) for subject in subjects]
            groups.append(partial(_group, results, dataset, name))
    for one, path in results.existing("decoding"):
        decoders.append(partial(_decoder, one["dataset"], one["decoder"], one["subject"], path))
    across = [
        finding
        for one, path in results.existing("across_subjects")
        for finding in _across(one["dataset"], one["decoder"], path)
    ]
    return Findings(
        [one for one in make(results, models, workers) if one],
        [one for one in make(results, groups, 1) if one],
        [*make(results, decoders, 1), *across],
        [_contrast(one, path) for one, path in results.existing("contrast_table")],
        identified(results),
        alike(results),
        [_pair(one, path) for one, path in results.existing("mass_univariate")],
    )


def _model(results: Results, dataset: str, model: str, subject: str) -> ModelFinding | None:
    where = {"dataset": dataset, "model": model, "subject": subject}
    path = results.path("encoding", **where)
    if not path.is_file():
        return None
    scored, provenance = read_scores(path)
    r, left_out = scored.scores.r, read_left_out(path)
    mean, over = Estimate(float(np.nanmean(r))), None
    if left_out is not None:
        pooled = over_regions(r, left_out, [np.ones(len(r), bool)])
        mean = Estimate.of(pooled.r) or mean
        over = Estimate.of(pooled.over_ceiling) if pooled.over_ceiling else None
    top = float(np.nanpercentile(r, 99))
    found = ModelFinding(dataset, model, subject, provenance.simulated, len(r), mean, top, over)
    tested_path = results.path("inference", **where)
    if not tested_path.is_file():
        return found
    tested, inferred = read_inference(tested_path)
    if tested.found is None:
        return replace(found, why="; ".join(dict.fromkeys(one.why for one in inferred.omitted)))
    return replace(
        found,
        significant=int(tested.found.significant.sum()),
        regions=_regions(results.path("region_table", **where)),
        test=f"{tested.n_permutations:,} permutations: {tested.null}",
        corrected=f"false discovery rate {tested.fdr:g} ({PROCEDURES[tested.procedure]})",
    )


def _regions(path: Path) -> tuple[int, int] | None:
    """Regions with a significant voxel, and all; None without an atlas."""
    if not path.is_file():
        return None
    table = read_by_region(path)[0]
    table = table[table["region"] != WHOLE]
    return (int((table["significant"] > 0).sum()), len(table)) if len(table) else None


def _group(results: Results, dataset: str, model: str) -> GroupFinding | None:
    path = results.path("group", dataset=dataset, model=model)
    if not path.is_file() or len(results.resolved.subjects[dataset]) < 2:
        return None
    level, provenance = read_group(path)
    voxels, share = level.voxels, level.prevalence
    tests = (voxels.means.stimuli, voxels.means.people) if voxels else (None, None)
    fdr = float(provenance.config["fdr"])
    stimuli, people = (None if test is None else int((test.q <= fdr).sum()) for test in tests)
    regions = None
    if level.regions is not None and (test := level.regions.means.stimuli) is not None:
        kept = np.array([name != WHOLE for name in level.regions.names])
        if kept.any():
            regions = (int((test.p_fwe[kept] <= LEVEL).sum()), int(kept.sum()))
    return GroupFinding(
        dataset,
        model,
        len(level.subjects),
        level.count,
        f"{shown(share.map)} [{shown(share.low)}, {shown(share.high)}]" if share else "",
        len(voxels.ijk) if voxels else 0,
        stimuli,
        people,
        regions,
    )


def _decoder(dataset: str, decoder: str, subject: str, path: Path) -> DecoderFinding:
    found = read_decoding(path)[0]
    return DecoderFinding(
        dataset,
        decoder,
        subject,
        len(found.classes),
        found.accuracy,
        found.chance,
        most_of(found.null),
        found.p,
    )


def _across(dataset: str, decoder: str, path: Path) -> list[DecoderFinding]:
    """Each subject, decoded by what was fitted to the others."""
    found = read_decoding(path)[0]
    if (each := found.subjects) is None:
        return []
    return [
        DecoderFinding(
            dataset,
            f"{decoder} across subjects",
            subject,
            len(found.classes),
            float(each.accuracy[k]),
            float(each.chance[k]),
            most_of(each.null[:, k]),
            None if found.p is None else float(each.p[k]),
        )
        for k, subject in enumerate(each.names)
    ]


def most_of(null: npt.NDArray[np.floating]) -> tuple[float, float] | None:
    """Between which values 95 % of permutations lie; None without them."""
    if not len(null):
        return None
    low, high = np.percentile(null, [2.5, 97.5])
    return float(low), float(high)


def _contrast(one: Input, path: Path) -> ContrastFinding:
    found = read_contrast_table(path)
    row = found.table.iloc[0]
    voxels, above, below = (int(row[key]) for key in ("voxels", "above", "below"))
    return ContrastFinding(
        dataset=one["dataset"],
        contrast=one["contrast"],
        subject=one["subject"],
        voxels=voxels,
        above=above,
        below=below,
        highest=float(row["highest_t"]),
        lowest=float(row["lowest_t"]),
        rule=found.rule,
        threshold=found.threshold,
    )


def _pair(one: Input, path: Path) -> PairFinding:
    found = read_mass_univariate(path)[0]
    passed = (int((sign * found.log_p > SHOWN).sum()) for sign in (1, -1))
    where = one["dataset"], one["pair"], one["subject"]
    return PairFinding(*where, found.plus, found.minus, len(found.t), *passed)
