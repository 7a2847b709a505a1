"""Plain words for overrides that Hydra's grammar cannot read: which character, where, and what to do."""

from __future__ import annotations

import re

from gan_cli.errors import truncated_repr

KEY = re.compile(r"(?:\+{1,2}|~)?(?:[A-Za-z_$][\w$-]*(?:[./@:][\w$-]+)*)?", re.ASCII)
UNQUOTED = re.compile(r"[\w/\-\\+.$%*@?|:,= \t]", re.ASCII)
CLOSING = {"[": "]", "{": "}", "(": ")"}
BEFORE_AN_ELEMENT = ("", *"[{(,: =\t")


def explain_unreadable_override(override: str) -> str:
    """Return one line that says why an override cannot be read, with the position of the character at fault."""
    key_end = KEY.match(override).end()  # type: ignore[union-attr]  # it matches nothing as well
    shown = f"cannot read the override {truncated_repr(override)}"
    if "=" not in override:
        return f"{shown}: expected key=value or group=option"
    if key_end == len(override) or override[key_end] != "=":
        return f"{shown}: {_at(override, key_end)} cannot be in a key"
    key, value = override[:key_end], override[key_end + 1 :]
    hint = f"in quotes, the value is taken as it stands: {truncated_repr(f'{key}={value!r}')}"
    return f"{shown}: {_mistake(override, key_end + 1)}; {hint}"


def _mistake(override: str, start: int) -> str:
    """Describe the first mistake in a value."""
    opened: list[int] = []
    place = start
    while place < len(override):
        character, before = override[place], override[place - 1] if place > start else ""
        if character in "'\"" and before in BEFORE_AN_ELEMENT:
            end = _end_of_quote(override, place)
            if end is None:
                return f"the quote {_at(override, place)} is not closed"
            place = end
        elif before == "\\":
            pass
        elif character in CLOSING:
            opened.append(place)
        elif character in CLOSING.values():
            if not opened or CLOSING[override[opened.pop()]] != character:
                return f"{_at(override, place)} closes nothing"
        elif not UNQUOTED.fullmatch(character) or (character == "=" and not opened):
            return f"{_at(override, place)} has to be in quotes"
        place += 1
    if opened:
        return f"{_at(override, opened[-1])} is not closed"
    return f"expected another value after character {len(override)}" if override[-1] in ",:" else "it is no value"


def _end_of_quote(override: str, start: int) -> int | None:
    """Return the place of the quote that closes the one at ``start``."""
    place = start + 1
    while place < len(override):
        if override[place] == "\\":
            place += 1
        elif override[place] == override[start]:
            return place
        place += 1
    return None


def _at(override: str, place: int) -> str:
    return f"{override[place]!r} (character {place + 1})" if place < len(override) else "the end"
