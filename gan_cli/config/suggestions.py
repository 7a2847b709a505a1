"""Meanings of overrides that do not exist: candidates, the likeliest first. Imports no torch.

The names are those of the composed configuration, of all options whether chosen or not, and of the field's own words
for them (``config/terms.py``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gan_cli.config.numbers import as_number
from gan_cli.config.terms import KEYS, OPTIONS, PLACEHOLDERS, TEXT, Composed
from gan_cli.config.vocabulary import vocabulary
from gan_cli.errors import CLOSE, ConfigError, closeness, closest, letters
from gan_cli.storage.run_search import is_latest, latest_run, run_around

# A shell takes these as they are, in a word of a command line.
UNQUOTED = re.compile(r"[\w@%+=:,./~\[\]{}-]+")


class MistypedError(ConfigError):
    """An override that does not exist, of which it is known what was probably meant.

    Attributes:
        typed: the override.
        meant: what should have been typed.
    """

    def __init__(self, message: str, typed: str, meant: tuple[str, ...]) -> None:
        super().__init__(message)
        self.typed = typed
        self.meant = meant


@dataclass(frozen=True)
class Suggestion:
    """Overrides that were probably meant.

    Attributes:
        overrides: what should have been typed.
        reason: why, in a few words; empty where the overrides say it themselves.
    """

    overrides: tuple[str, ...]
    reason: str = ""

    def sentence(self) -> str:
        """Return it as the end of a message, with a blank before it."""
        reason = f" ({self.reason})" if self.reason else ""
        return f" Did you mean {shell_words(self.overrides)}?{reason}"


def mistyped(mistake: str, typed: str, meant: Suggestion | None, otherwise: str = "") -> ConfigError:
    """Return the error of an override that does not exist.

    Args:
        mistake: what is wrong, a sentence.
        typed: the override.
        meant: what should have been typed; None where nothing is close.
        otherwise: what else there is, a sentence after a blank.
    """
    if meant is None:
        return ConfigError(f"{mistake}{otherwise}")
    return MistypedError(f"{mistake}{meant.sentence()}{otherwise}", typed, meant.overrides)


def shell_words(words: Iterable[str]) -> str:
    """Return words as they are typed in a shell: quoted where it has a use of its own for a character."""
    return " ".join(word if UNQUOTED.fullmatch(word) else "'" + word.replace("'", "'\\''") + "'" for word in words)


def for_key(key: str, value: str, composed: Composed) -> Suggestion | None:
    """Return what might be meant by an override of a key that there is not.

    Args:
        key: as typed: ``steps``, ``train.step`` or ``loss.penalty.r1.weight``.
        value: as typed.
        composed: keys and values of the options that are chosen.
    """
    return next(_for_key(key, value, composed), None)


def for_option(group: str, option: str, options: Sequence[str]) -> Suggestion | None:
    """Return what might be meant by an option that is none of those of its group."""
    name, colon, index = option.partition(":")
    if group == "device" and colon and index.isdecimal() and name in options:
        return Suggestion((f"device={name}", f"device.index={index}"))
    if group == "dataset" and (path := _for_path(option)) is not None:
        return path
    if group == "noise" and as_number(option) is not None:
        return Suggestion(("noise=constant", f"noise.start={option}"))
    meant = OPTIONS.get(group, {}).get(letters(option))
    if meant is not None:
        return Suggestion(tuple(meant.split()), next((why for word, why in PLACEHOLDERS.items() if word in meant), ""))
    near = closest(option, options)
    return None if near is None else Suggestion((f"{group}={near}",))


def for_section(section: str, value: str, composed: Composed) -> Suggestion | None:
    """Return what might be meant by a value for a section as a whole (``ema=0.999``)."""
    return next(_by_term(section, value, composed), None)


def for_word(word: str) -> Suggestion | None:
    """Return what might be meant by a single word that is neither a key nor a flag: an option, a switch or a path."""
    if not word:
        return None
    if is_latest(Path(word)) or run_around(Path(word)) is not None:
        return Suggestion((f"resume={word}",))
    if (latest := latest_run(Path(word))) is not None:
        return Suggestion((f"resume={latest.path}",))
    groups = vocabulary().groups
    for group, options in groups.items():
        for option in options:
            if letters(option) == letters(word):
                return Suggestion((f"{group}={option}",))
    for group in groups:
        if letters(word) in OPTIONS.get(group, {}):
            return for_option(group, word, groups[group])
    for key in vocabulary().switches:
        if letters(key) == letters(word):
            return Suggestion((f"{key}=true",))
    return _for_path(word)


def is_key(word: str) -> bool:
    """Return whether a word is a config group or a key, here or elsewhere, or the last part of one."""
    known = vocabulary()
    lasts = (key.rpartition(".")[2] for key in (*known.settings, *known.brought))
    return "." in word or letters(word) in {letters(name) for name in (*known.groups, *KEYS, *lasts)}


def _for_key(key: str, value: str, composed: Composed) -> Iterator[Suggestion]:
    parent, _, name = key.rpartition(".")
    if parent and key in vocabulary().brought:
        yield _with_option(key, value)
    yield from _by_term(name, value, composed)
    yield from _near(name, value, [known for known in composed if parent and known.startswith(f"{parent}.")])
    if not parent:
        yield from _near_group(name, value)
    near = _nearest(name, [*vocabulary().settings, *composed, *vocabulary().brought], key if parent else "")
    if near is not None:
        there = near in composed or near in vocabulary().settings
        yield Suggestion((f"{near}={value}",)) if there else _with_option(near, value)


def _by_term(name: str, value: str, composed: Composed) -> Iterator[Suggestion]:
    """Yield the meanings of a word of the field: first those whose keys are there."""
    terms = KEYS.get(letters(name), ())
    for term in sorted(terms, key=lambda term: term.key not in composed):
        converted = term.convert(value, composed)
        if converted is None:
            continue
        if term.key in vocabulary().groups:
            yield from _by_group(term.key, converted.value)
            continue
        needs = (term.option,) if term.option and term.key not in composed else ()
        yield Suggestion((*needs, f"{term.key}={converted.value}"), converted.reason)


def _by_group(group: str, value: str) -> Iterator[Suggestion]:
    """Yield the option of a group that a value may name."""
    if value in vocabulary().groups[group]:
        yield Suggestion((f"{group}={value}",))
    elif (option := for_option(group, value, vocabulary().groups[group])) is not None:
        yield option


def _near(name: str, value: str, keys: Iterable[str]) -> Iterator[Suggestion]:
    near = _nearest(name, keys)
    if near is not None:
        yield Suggestion((f"{near}={value}",))


def _near_group(name: str, value: str) -> Iterator[Suggestion]:
    """Yield the group whose name is close, where it has an option of that name."""
    group = closest(name, vocabulary().groups)
    if group is not None and (value in vocabulary().groups[group] or closest(value, vocabulary().groups[group])):
        yield from _by_group(group, value)


def _nearest(name: str, keys: Iterable[str], whole: str = "") -> str | None:
    """Return the key whose last part is closest to a name; of several, the one closest as a whole, then the first."""
    names = ((key, key.rpartition(".")[2]) for key in dict.fromkeys(keys))
    found = [(closeness(name, last), key) for key, last in names if last != "_target_"]
    best = max(found, key=lambda each: (each[0], closeness(whole, each[1])), default=(0.0, ""))
    return best[1] if best[0] >= CLOSE else None


def _with_option(key: str, value: str) -> Suggestion:
    """Return a key of an option that is not chosen, with the option."""
    option, *others = vocabulary().brought[key]
    also = f"other options with {key}: {', '.join(others)}" if others else ""
    return Suggestion((option, f"{key}={value}"), also)


def _for_path(path: str) -> Suggestion | None:
    """Return the data of the user's own that a path holds: images in a folder or an archive, or a text in a file."""
    expanded = os.path.expanduser(path)  # noqa: PTH111 - never raises
    name = expanded.lower()
    if os.path.isfile(expanded) and name.endswith((".zip", ".tar", ".tar.gz", ".tgz")):  # noqa: PTH113 - raises for no name
        return Suggestion(("dataset=image_archive", f"dataset.path={path}"))
    if os.path.isfile(expanded) and "ubyte" in os.path.basename(name):  # noqa: PTH113, PTH119 - as above
        return Suggestion(("dataset=idx", f"dataset.path={path}"))
    if os.path.isfile(expanded):  # noqa: PTH113 - as above
        return Suggestion((*TEXT, f"dataset.path={path}"))
    if os.path.isdir(expanded) or "/" in path:  # noqa: PTH112
        return Suggestion(("dataset=image_folder", f"dataset.path={path}"))
    return None
