"""Messages: one printable line each, whatever foreign text they repeat."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan_cli.errors import JOINERS, MAX_LINE_LENGTH, ConfigError, Mistakes, UserError, printable, truncate_middle


@pytest.mark.parametrize("text", ["plain", "Größe 大小 размер", "می‌خواهم", "👩‍👩‍👧", "a 'quoted' \\ text", "é"])
def test_text_of_every_language_stays(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mred", "a\\x1b[31mred"),
        ("one\ntwo\rthree\tfour", "one\\ntwo\\rthree\\tfour"),
        ("\x9b\x7f\0", "\\x9b\\x7f\\x00"),
        ("right\u202eleft", "right\\u202eleft"),
        ("byte \udcff, lone \ud800", "byte \\xff, lone \\ud800"),
        ("two\u2028lines", "two\\u2028lines"),
    ],
)
def test_what_does_not_print_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert str(UserError(f"key {text}: wrong")) == f"key {shown}: wrong"


@given(st.text())
def test_any_text_becomes_one_line_that_can_be_encoded(text: str) -> None:
    clean = printable(text)
    assert all(each.isprintable() for each in clean if each not in JOINERS)
    clean.encode()
    assert len(clean.splitlines()) <= 1


@pytest.mark.parametrize("length", [10, 11, 300])
def test_the_middle_of_a_long_text_is_left_out(length: int) -> None:
    text = "".join(chr(ord("a") + number % 26) for number in range(1000))
    short = truncate_middle(text, length)
    head, tail = short.split("...")
    assert len(short) == length
    assert text.startswith(head)
    assert text.endswith(tail)
    assert abs(len(head) - len(tail)) <= 1
    assert truncate_middle(text[:length], length) == text[:length]


@pytest.mark.parametrize("foreign", ["a" * 10_000, "\x1b" * 1000])
def test_a_message_is_of_bounded_length_whatever_it_repeats(foreign: str) -> None:
    message = str(UserError(f"file.npz: {foreign}: cannot be read"))
    assert len(message) == MAX_LINE_LENGTH
    assert message.startswith("file.npz: ")
    assert message.endswith(": cannot be read")
    with pytest.raises(ConfigError) as raised:
        collected([foreign, "c"])
    assert [len(line) for line in str(raised.value).splitlines()] == [MAX_LINE_LENGTH, len("c: wrong")]


def collected(keys: list[str]) -> None:
    with Mistakes() as mistakes:
        for key in keys:
            with mistakes.collect():
                raise ConfigError(f"{key}: wrong")


def test_several_mistakes_are_a_line_each() -> None:
    with pytest.raises(ConfigError) as raised:
        collected(["a\nb", "c"])
    assert str(raised.value).splitlines() == ["a\\nb: wrong", "c: wrong"]
    # As between processes.
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)


def collected_of_parts(parts: list[list[str]]) -> None:
    with Mistakes() as mistakes:
        for keys in parts:
            with mistakes.collect():
                collected(keys)


def test_mistakes_of_a_part_are_lines_of_the_whole() -> None:
    with pytest.raises(ConfigError) as raised:
        collected_of_parts([["a", "b"], ["c"]])
    assert str(raised.value).splitlines() == ["a: wrong", "b: wrong", "c: wrong"]
