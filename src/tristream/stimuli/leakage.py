"""Run the leakage audit of a dataset: read the media, gather findings, act on them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from tristream.config.settings.stimuli import LeakageSettings
from tristream.errors import UserError
from tristream.fetch.receipt import Receipt
from tristream.media.media_contents import media_info
from tristream.stimuli import audio_prints, frame_prints, image_prints
from tristream.stimuli.audit_methods import (
    compared_kinds,
    known_sentences,
    label_sentences,
    media_sentences,
    order_sentences,
)
from tristream.stimuli.compare_clips import (
    Clip,
    Finding,
    alike,
    alike_images,
    dropped,
    near_in_media,
)
from tristream.stimuli.image_prints import ImagePrint, image_print
from tristream.stimuli.label_overlap import label_overlap
from tristream.stimuli.order_across import order_across
from tristream.stimuli.order_baseline import OrderBaseline, Unit, order_baseline
from tristream.stimuli.parts import views
from tristream.stimuli.sequences import STILL, WINDOW_SECONDS, Bools, Likeness, Values
from tristream.stimuli.tables import LEAKAGE, Inventory, LeakageTable, Splits, StimulusFile
from tristream.store import Omission, Provenance

# The haemodynamic response to a stimulus is over so many seconds after it (s).
RESPONSE = 10.0
MOST_LISTED = 20
NOTHING = (
    "Leakage was not looked for: no stimulus, and no label, is shown in training and in test runs."
)

Prints = tuple[Values, Bools]


@dataclass(frozen=True)
class _Sense:
    check: str
    read: Callable[[Path], Prints]
    likeness: Likeness


_SENSES = (
    _Sense("picture", frame_prints.frame_prints, frame_prints.LIKENESS),
    _Sense("sound", audio_prints.sound_prints, audio_prints.LIKENESS),
)


def audit(
    settings: LeakageSettings,
    inventory: Inventory,
    splits: Splits,
    receipt: Receipt | None,
    output: Path,
    code: str = "",
) -> LeakageTable:
    """Compare test stimuli with training stimuli, and labels with time.

    Parameters
    ----------
    settings : LeakageSettings
        Action and minimum gap of the study. What the descriptor states as known leaks no
        comparison here can find: it is repeated in the table, and never acted on.
    inventory : Inventory
    splits : Splits
    receipt : Receipt or None
        Of the stimuli; needed if there are films or sounds.
    output : Path
        Where the table will lie.
    code : str
        Fingerprint for the provenance.

    Raises
    ------
    UserError
        With action ``error``, all findings; a film or sound that can't be read.
    """
    dataset, action = settings.dataset, settings.leakage.action
    gap = settings.leakage.minimum_gap
    known = {row.stimulus: row for row in inventory.stimuli}
    found: list[tuple[str, Finding]] = [("all", _known(note)) for note in settings.known_leaks]
    prints = _all_prints(dataset, inventory.table, known, receipt)
    images = _image_prints(dataset, inventory.table, known, receipt)
    checked, baselines, labels, drop = [], [], [], []
    kinds, by_name = set[str](), set[str]()
    for timeline, events in inventory.table.groupby("timeline", sort=False):
        name = str(timeline)
        runs = splits.table[splits.table["timeline"] == timeline]
        split = dict(zip(runs["run"], runs["split"], strict=True))
        clips = clips_of(events, split, known)
        findings = near_in_media(clips, gap)
        kinds |= compared_kinds(clips)
        by_name |= {clip.kind for clip in clips if clip.stimulus not in known}
        if clips:
            checked.append({"timeline": name, **_counted(clips, gap)})
        for sense in _SENSES:
            if not prints[sense.check]:
                continue
            more, counts = alike(
                clips,
                prints[sense.check],
                sense.check,
                sense.likeness,
                gap,
            )
            findings += more
            checked.append({"timeline": name, **_compared(sense, counts)})
        more, counts = alike_images(clips, images)
        findings += more
        if counts["image_pairs"]:
            checked.append({"timeline": name, **_compared_images(counts)})
        drop += [{"timeline": name, **d} for d in dropped(findings, split, RESPONSE)]
        overlap = label_overlap(events, runs)
        if overlap is not None:
            words = {"note": overlap.note, "flagged": overlap.flagged}
            labels.append({"timeline": name, **asdict(overlap), **words})
        baseline = order_baseline(units_of(events, runs))
        if baseline is not None:
            baselines.append({"timeline": name, **asdict(baseline)})
            findings += _order_finding(baseline)
        found += [(name, finding) for finding in findings]
    grave = [(name, finding) for name, finding in found if finding.check != "known"]
    if grave and action == "error":
        raise UserError(_listed(dataset, grave))
    across = order_across(inventory.table, settings.sharing)
    why = "no label is shown both in training and in test runs"
    senses = [sense.check for sense in _SENSES if _windows(checked, sense.check)]
    image_pairs = sum(one.get("image_pairs", 0) for one in checked)
    media = [finding for _, finding in grave]
    tail = RESPONSE if action == "drop" else None
    methods = [
        *media_sentences(kinds, by_name, senses, image_pairs, media, gap, tail),
        *label_sentences(labels),
        *order_sentences(baselines, asdict(across) if across else None),
        *known_sentences(settings.known_leaks),
    ]
    if not methods:
        methods = [NOTHING]
    provenance = Provenance(
        "leakage",
        inventory.provenance.simulated or splits.provenance.simulated,
        settings.key(),
        code,
        () if baselines else (Omission("order baseline", why),),
        tuple(methods),
    )
    return LeakageTable(
        path=output,
        table=_table(found, action),
        checked=checked,
        baseline=baselines,
        drop=drop if action == "drop" else [],
        across=asdict(across) if across else None,
        provenance=provenance,
        labels=labels,
    )


def clips_of(
    events: pd.DataFrame, split: Mapping[str, str], known: Mapping[str, StimulusFile]
) -> list[Clip]:
    """The films, sounds and images of one timeline's events."""
    rows = events[events["kind"] != "label"]
    clips = []
    for row in _rows(rows):
        moving = row.kind in ("film", "sound")
        start = float(row.media_start) if moving else 0.0
        clips.append(
            Clip(
                run=row.run,
                split=split[row.run],
                stimulus=row.stimulus,
                # Without its file, a stimulus is what its name says.
                media=known[row.stimulus].sha256 if row.stimulus in known else row.stimulus,
                kind=row.kind,
                start=start,
                stop=start + (float(row.duration) if moving else 0.0),
                onset=float(row.onset),
            )
        )
    return clips


def units_of(events: pd.DataFrame, runs: pd.DataFrame) -> list[Unit]:
    """The labelled units of one timeline, each once: repeats of a test run add nothing."""
    first = runs[~(runs["repeat"].duplicated() & runs["repeat"].notna())]
    split = dict(zip(first["run"], first["split"], strict=True))
    rows = events[events["label"].notna() & events["keep"] & events["run"].isin(split)]
    rows = rows.sort_values(["run", "onset"], kind="stable")
    named = rows["unit"].fillna("")
    again = (named != "") & rows.duplicated(["run", "unit"])
    return [
        Unit(
            run=row.run,
            label=row.label,
            onset=float(row.onset),
            train=split[row.run] != "test",
            test=split[row.run] != "train",
        )
        for row in _rows(rows[~again])
    ]


def _known(note: str) -> Finding:
    nan = float("nan")
    return Finding("known", "", "", nan, nan, nan, nan, nan, nan, note)


def _rows(table: pd.DataFrame) -> Iterator[Any]:
    return iter(table.itertuples())


def _all_prints(
    dataset: str,
    inventory: pd.DataFrame,
    known: Mapping[str, StimulusFile],
    receipt: Receipt | None,
) -> dict[str, dict[str, Prints]]:
    """Prints of each film and sound that is shown, by check and content; each is read once."""
    moving = inventory[inventory["kind"].isin(["film", "sound"])]
    names = [name for name in dict.fromkeys(moving["stimulus"]) if name in known]
    if names and receipt is None:
        raise UserError(f"{dataset}: shows films or sounds; name their receipt (--receipt)")
    prints: dict[str, dict[str, Prints]] = {"picture": {}, "sound": {}}
    for name in tqdm(names, desc="prints of stimuli", mininterval=5, disable=None):
        assert receipt is not None
        media, path = known[name].sha256, receipt.path(known[name].path)
        info = media_info(path)
        has = {"picture": info.has_video and known[name].kind == "film", "sound": info.has_audio}
        for sense in _SENSES:
            if has[sense.check] and media not in prints[sense.check]:
                prints[sense.check][media] = sense.read(path)
    return prints


def _image_prints(
    dataset: str,
    inventory: pd.DataFrame,
    known: Mapping[str, StimulusFile],
    receipt: Receipt | None,
) -> dict[str, ImagePrint]:
    """Prints of each image that is shown, by its content, less the uniform ones."""
    shown = dict.fromkeys(inventory.loc[inventory["kind"] == "image", "stimulus"])
    files = {known[name].sha256: known[name].path for name in shown if name in known}
    if files and receipt is None:
        raise UserError(f"{dataset}: shows images; name their receipt (--receipt)")
    prints = {}
    for media, path in tqdm(files.items(), desc="prints of images", mininterval=5, disable=None):
        assert receipt is not None
        if (one := image_print(receipt.path(path))) is not None:
            prints[media] = one
    return prints


def _windows(checked: Sequence[Mapping[str, Any]], check: str) -> int:
    """Pairs of windows that were compared in picture or sound."""
    return sum(one["window_pairs"] for one in checked if one["check"] == check)


def _counted(clips: Sequence[Clip], gap: float) -> dict[str, Any]:
    return {
        "check": "overlap and gap",
        "train_clips": sum(c.split != "test" for c in clips),
        "test_clips": sum(c.split != "train" for c in clips),
        "minimum_gap": gap,
    }


def _compared(sense: _Sense, counts: Mapping[str, int]) -> dict[str, Any]:
    return {
        "check": sense.check,
        **counts,
        "threshold": sense.likeness.threshold,
        "variants": len(sense.likeness.variants),
        "window": WINDOW_SECONDS,
        "still_below": STILL,
    }


def _compared_images(counts: Mapping[str, int]) -> dict[str, Any]:
    return {
        "check": "picture of images",
        **counts,
        "threshold": image_prints.THRESHOLD,
        "variants": len(views()),
    }


def _order_finding(baseline: OrderBaseline) -> list[Finding]:
    if not baseline.flagged:
        return []
    chance = f"chance {baseline.chance:.3f}"
    p_value = f"p = {baseline.p:.3g}" if baseline.p is not None else "too few orders for a p value"
    note = (
        f"labels follow from time in the run: accuracy {baseline.accuracy:.3f}, {chance}, {p_value}"
    )
    nan = float("nan")
    return [
        Finding("order", "", "", nan, nan, nan, nan, baseline.accuracy, baseline.high, note)
    ]  # fmt: skip


def _table(found: Sequence[tuple[str, Finding]], action: str) -> pd.DataFrame:
    rows = [
        {
            **asdict(finding),
            "timeline": timeline,
            "train": finding.train or None,
            "test": finding.test or None,
            # No row can be dropped to repair an order that all runs share.
            "action": "warn" if finding.check in ("order", "known") else action,
        }
        for timeline, finding in found
    ]
    table = pd.DataFrame(rows, columns=list(LEAKAGE))
    times = ["train_start", "test_start", "seconds", "score", "threshold"]
    return table.astype({c: float for c in times}).round({c: 4 for c in times})


def _listed(dataset: str, found: Sequence[tuple[str, Finding]]) -> str:
    lines = [
        f"{dataset}: leakage: {f.check}: "
        + (
            f"{f.test} at {f.test_start:.1f} s, {f.train} at {f.train_start:.1f} s: "
            if f.test
            else ""
        )
        + f.note
        for _, f in found[:MOST_LISTED]
    ]
    if len(found) > MOST_LISTED:
        lines.append(f"{dataset}: leakage: and {len(found) - MOST_LISTED} more")
    lines.append(f"{dataset}: fix the split in the descriptor, or set `leakage: warn` or `drop`")
    return "\n".join(lines)
