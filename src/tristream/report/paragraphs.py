"""Sentences of many files as one paragraph: what is common stands once, the rest says of what."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

MOST_LISTED = 6
FEW_NAMES = 3


@dataclass(frozen=True)
class Told:
    """What one file says of its making.

    Attributes
    ----------
    name : str
        Model, feature space, decoder …; empty where files of this kind have none.
    member : tuple of str
        Which of the files with this name: ``("01", "run-1")``, one value for each level.
    sentences : tuple of str
        Its own, in order.
    """

    name: str
    member: tuple[str, ...]
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Form:
    """How files of one kind are called.

    Attributes
    ----------
    noun : str
        What a name is: ``model``.
    levels : tuple of str
        What the values of a member are: ``("subject", "run")``.
    """

    noun: str = ""
    levels: tuple[str, ...] = ()


def paragraph(told: Sequence[Told], form: Form) -> str:
    """All sentences of files of one kind.

    A sentence of all files of a name stands as it is; one that only some have is followed by
    those. Names that say the same share a sentence.
    """
    by_name: dict[str, list[Told]] = {}
    for one in told:
        by_name.setdefault(one.name, []).append(one)
    texts = {name: _of_name(files, form.levels) for name, files in by_name.items()}
    holders = {
        sentence: tuple(name for name, own in texts.items() if sentence in own)
        for sentence in merged(texts.values())
    }
    if all(len(names) == len(texts) for names in holders.values()):
        return " ".join(holders)
    parts: list[str] = []
    last: tuple[str, ...] = ()
    for sentence, names in holders.items():
        # A sentence may name its model itself.
        named = len(names) == 1 and f"{form.noun} {names[0]}" in sentence.lower()
        same = names == last or named
        parts.append(sentence if same else f"{_who(names, texts, form.noun)}: {sentence}")
        last = names
    return " ".join(parts)


def merged(lists: Iterable[Sequence[str]]) -> list[str]:
    """Every text once, in an order that follows each list as far as they agree."""
    found: list[str] = []
    for own in lists:
        for number, text in enumerate(own):
            if text not in found:
                after = [found.index(later) for later in own[number + 1 :] if later in found]
                found.insert(after[0] if after else len(found), text)
    return found


def _of_name(files: Sequence[Told], levels: Sequence[str]) -> list[str]:
    """Sentences of the files of one name, those that only some have with the files."""
    members = [one.member for one in files]
    found = []
    for sentence in merged(one.sentences for one in files):
        having = [one.member for one in files if sentence in one.sentences]
        if len(having) < len(members) and not _named(sentence, having, levels):
            sentence = _qualified(sentence, f"({_which(having, members, levels)})")
        found.append(sentence)
    return found


def _named(sentence: str, having: Sequence[tuple[str, ...]], levels: Sequence[str]) -> bool:
    """Whether a sentence of one file names its layer itself."""
    return len(having) == 1 and f"{levels[-1]} {having[0][-1]} ".lower() in sentence.lower()


def _qualified(sentence: str, words: str) -> str:
    return f"{sentence[:-1]} {words}." if sentence.endswith(".") else f"{sentence} {words}"


def _which(
    having: Sequence[tuple[str, ...]], members: Sequence[tuple[str, ...]], levels: Sequence[str]
) -> str:
    """``2 of 12 runs of sub-01: run-03, run-04; all runs of sub-02``."""
    part, whole = _by_parent(having), _by_parent(members)
    noun = levels[-1]
    above = levels[-2] if len(levels) > 1 else ""
    if len(part) == len(whole) > 1 and _alike(part) and _alike(whole):
        (some, *_), (every, *_) = part.values(), whole.values()
        return f"{_share(some, every, noun)} of each {above}: {_listed(some, noun)}"
    pieces = []
    for parent, some in part.items():
        every = whole[parent]
        of = f" of {_label(parent[-1], above)}" if parent else ""
        if len(some) == len(every):
            pieces.append(f"all {noun}s{of}")
        else:
            pieces.append(f"{_share(some, every, noun)}{of}: {_listed(some, noun)}")
    if len(pieces) > MOST_LISTED:
        pieces = [*pieces[:MOST_LISTED], f"and of {len(pieces) - MOST_LISTED} more {above}s"]
    return "; ".join(pieces)


def _alike(members: Mapping[tuple[str, ...], list[str]]) -> bool:
    return len({tuple(own) for own in members.values()}) == 1


def _by_parent(members: Sequence[tuple[str, ...]]) -> Mapping[tuple[str, ...], list[str]]:
    found: dict[tuple[str, ...], list[str]] = {}
    for *parent, own in members:
        found.setdefault(tuple(parent), []).append(own)
    return found


def _share(some: Sequence[str], every: Sequence[str], noun: str) -> str:
    return f"{len(some)} of {len(every)} {noun}{'s' * (len(every) > 1)}"


def _listed(values: Sequence[str], noun: str) -> str:
    shown = [_label(value, noun) for value in values[:MOST_LISTED]]
    more = len(values) - MOST_LISTED
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _label(value: str, noun: str) -> str:
    return f"sub-{value}" if noun == "subject" else value


def _who(names: Sequence[str], all_names: Mapping[str, object], noun: str) -> str:
    if len(names) == 1:
        return f"{noun.capitalize()} {names[0]}"
    if len(names) == len(all_names) and len(names) > FEW_NAMES:
        return f"All {len(names)} {noun}s"
    return f"{noun.capitalize()}s {', '.join(names[:-1])} and {names[-1]}"
