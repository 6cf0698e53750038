"""From the distances of all subjects of a dataset to the table of layers and regions."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pandas as pd

from tristream.config.settings.rsa import RsaSettings
from tristream.errors import UserError
from tristream.phrases import counted
from tristream.rsa.dissimilarity import Dissimilarities
from tristream.rsa.dissimilarity_file import read_dissimilarities
from tristream.rsa.representational_similarity import Similarity, compare
from tristream.rsa.similarity_table import ALL, KIND, write_similarity
from tristream.store import Omission, Provenance

MEASURES = {
    "spearman": "Spearman's rank correlation",
    "kendall": "Kendall's tau-a",
    "cosine": "the cosine",
}


def fit(
    dissimilarities: Sequence[Path],
    names: Sequence[str],
    output: Path,
    settings: RsaSettings,
    code: str = "",
) -> pd.DataFrame:
    """Compare distances in each subject, and as a mean over subjects; write the table ``rsa``.

    Parameters
    ----------
    dissimilarities : sequence of Path
        Files of kind ``dissimilarities``, one a subject.
    names : sequence of str
        Their subjects.
    output : Path
    settings : RsaSettings
    code : str
        Fingerprint for the provenance.

    Raises
    ------
    UserError
        If a subject's layers or regions are not those of the first.
    """
    read = [read_dissimilarities(path) for path in dissimilarities]
    subjects = [found for found, _ in read]
    for path, one in zip(dissimilarities, subjects, strict=True):
        if (one.layers, one.regions) != (subjects[0].layers, subjects[0].regions):
            raise UserError(
                f"{path}: has other layers or regions than {dissimilarities[0]}; run snakemake "
                "again, it writes both"
            )
    design = settings.block
    null = (design.comparison, design.permutations, design.seed)
    found = {
        f"sub-{name}": compare([one], *null) for name, one in zip(names, subjects, strict=True)
    }
    omitted = []
    if len(subjects) > 1:
        try:
            found[ALL] = compare(subjects, *null)
        except ValueError as error:
            omitted.append(Omission("similarity over subjects", str(error)))
    for name, result in found.items():
        for what, why in (("p", result.refusal), ("noise ceiling", result.ceiling.refusal)):
            if why:
                omitted.append(Omission(f"{what} of rsa {settings.rsa}, {name}", why))
    rows = pd.DataFrame(
        [row for name, one in found.items() for row in _rows(name, one, subjects[0])]
    )
    simulated = any(provenance.simulated for _, provenance in read)
    methods = _methods(settings, found)
    provenance = Provenance(KIND, simulated, settings.key(), code, tuple(omitted), methods)
    write_similarity(output, rows, provenance)
    return rows


def _rows(name: str, one: Similarity, of: Dissimilarities) -> list[dict[str, object]]:
    rows = []
    for (i, layer), (j, region) in product(enumerate(of.layers), enumerate(of.regions)):
        space, _, own = layer.partition("/")
        rows.append(
            {
                "subject": name.removeprefix("sub-"),
                "space": space,
                "layer": own,
                "region": region,
                "items": one.items,
                "similarity": one.value[i, j],
                "chance": one.chance[i, j],
                "low": one.low[i, j],
                "high": one.high[i, j],
                "p": one.p[i, j],
                "p_corrected": one.p_corrected[i, j],
                "ceiling_low": one.ceiling.low[j],
                "ceiling_high": one.ceiling.high[j],
            }
        )
    return rows


def _methods(settings: RsaSettings, found: dict[str, Similarity]) -> tuple[str, ...]:
    design = settings.block
    sentences = [
        f"Distances in features and in patterns were compared by {MEASURES[design.comparison]} "
        f"over pairs of items (analysis {settings.rsa})."
    ]
    done = [one for one in found.values() if one.permutations]
    if done:
        few = min(one.distinct for one in done)
        sentences.append(
            "Under the null hypothesis items, each with all its showings, changed places with "
            "those that the same runs show as often "
            f"({counted(design.permutations, 'permutation')}, seed {design.seed}, at least "
            f"{min(few, 10**15):,} distinct rearrangements). p is (1 + permutations at least as "
            "large) / (1 + permutations); corrected p compare with the largest of all layers and "
            "regions in each permutation."
        )
    refusals = dict.fromkeys(one.refusal for one in found.values() if one.refusal)
    sentences += [f"Where no p value is given: {why}." for why in refusals]
    if any(not one.ceiling.refusal for name, one in found.items() if name != ALL):
        sentences.append(
            "The noise ceiling of a subject is bounded by the agreement r of halves of the runs "
            "and by √(2r / (1 + r))."
        )
    if ALL in found:
        sentences.append(
            "Over subjects, one rearrangement went through all, and the noise ceiling is bounded "
            "by the mean agreement of each subject with the mean of the others and with the mean "
            "of all [@nili2014]."
        )
    return tuple(sentences)
