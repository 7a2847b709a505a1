"""Text files: what becomes of each line, and what is said of those that are none."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import pytest

from gan_cli.data.fingerprint import data_identity, fingerprint, reject_changed_data
from gan_cli.data.splits import selected_tokens, split_rows, split_sequences
from gan_cli.datasets.text import Text, TokenUnit
from gan_cli.errors import DataError, InvalidValueError
from gan_cli.metrics.distinct import lengths
from gan_cli.protocols.data import Dataset, Sequences
from tests.conftest import log_messages


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "captions.txt"


def loaded(file: Path, content: str | bytes, **settings: object) -> Sequences:
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return Text(str(file), **{"min_count": 1, "max_length": 4, **settings}).load()  # type: ignore[arg-type]


def test_vocabulary_goes_by_frequency_then_alphabet_and_the_end_fills_up(file: Path) -> None:
    text = loaded(file, "the cat sat\n the dog\t sat \n the Cat")
    assert text.words == ("", "the", "sat", "Cat", "cat", "dog")
    assert text.tokens.tolist() == [[1, 4, 2, 0], [1, 5, 2, 0], [1, 3, 0, 0]]
    assert text.tokens.dtype == np.int64
    assert (text.end, text.between, text.count) == (0, " ", 3)
    assert text.to_sentences(text.tokens) == ["the cat sat", "the dog sat", "the Cat"]


def test_nothing_is_read_before_it_is_loaded(file: Path) -> None:
    dataset = Text(str(file), max_length=7)
    assert isinstance(dataset, Dataset)
    assert (dataset.shape, dataset.classes) == ((7,), 0)


def test_rare_words_become_one(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    text = loaded(file, "a b c\na b d\na e\n", min_count=2)
    assert text.words == ("", "<unk>", "a", "b")
    assert text.to_sentences(text.tokens) == ["a b <unk>", "a b <unk>", "a <unk>"]
    assert f"{file}: 3 rare words of 5 are <unk>, 37.5% of the text" in log_messages(caplog)
    assert loaded(file, "a b c\na b d\na e\n", most_words=1).words == ("", "<unk>", "a")
    assert loaded(file, "a b\na b\n", min_count=2).words == ("", "a", "b")


def test_words_that_a_text_has_replaced_itself_are_the_same(file: Path) -> None:
    text = loaded(file, "a <unk> b\na a\n", min_count=2)
    assert text.words == ("", "<unk>", "a")
    assert text.to_sentences(text.tokens) == ["a <unk> <unk>", "a a"]


def test_chinese_by_characters(file: Path) -> None:
    text = loaded(file, "床前明月光\n疑是地上霜\n明月 光\n", tokens=TokenUnit.characters, max_length=6)
    assert text.words[:4] == ("", "光", "明", "月")
    assert text.to_sentences(text.tokens) == ["床前明月光", "疑是地上霜", "明月 光"]
    assert lengths(text.tokens, text.end).tolist() == [5, 5, 4]
    assert (
        loaded(file, "明月\n床前\n".encode("gb18030"), encoding="gb18030", tokens=TokenUnit.characters).words[1] == "前"
    )


def test_line_longer_than_the_maximum_is_cut_and_counted(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = loaded(file, "a b c d e\na b c d\na b c\n")
    assert text.to_sentences(text.tokens) == ["a b c d", "a b c d", "a b c"]
    assert lengths(text.tokens, text.end).tolist() == [4, 4, 3]
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert set(warnings) == {f"{file}: 1 of 3 lines are longer than dataset.max_length=4 tokens and were cut"}


@pytest.mark.parametrize("content", ["a b\r\nc\r\n", "a b\rc\r", "\ufeffa b\nc", "\n a  b\n\n \t\nc\n\n"])
def test_line_ends_byte_order_mark_and_blank_lines(content: str, file: Path) -> None:
    text = loaded(file, content)
    assert text.to_sentences(text.tokens) == ["a b", "c"]
    assert text.words == ("", "a", "b", "c")


def test_blank_lines_are_counted(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    loaded(file, "a\n\n \nb\n")
    assert f"{file}: 2 sentences, 2 blank lines left out" in log_messages(caplog)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no sentence; expected one on each line"),
        (b" \n\r\n\t", "holds no sentence; expected one on each line"),
        (b"a b c\n", "holds one sentence only; expected one on each line, and two or more"),
        (b"a\nb \xff c\nd", "line 2, character 3: bytes that are not utf-8; dataset.encoding names another"),
        (
            b"\xef\xbb\xbf\xc3\xa4\xc3\n",
            "line 1, character 2: bytes that are not utf-8; dataset.encoding names another",
        ),
        ("a\nb\n".encode("utf-16"), "line 1, character 1: bytes that are not utf-8; dataset.encoding names another"),
        (b"a\r\nbc\0\n", "line 2, character 3: U+0000; expected a file of text"),
    ],
)
def test_what_is_no_text_costs_one_line(content: bytes, message: str, file: Path) -> None:
    with pytest.raises(DataError) as refused:
        loaded(file, content)
    assert str(refused.value) == f"{file}: {message}"
    assert refused.value.exit_status == 3


def test_too_high_a_cut_off_costs_one_line(file: Path) -> None:
    with pytest.raises(DataError, match=r"captions.txt: no word is seen 3 times; lower dataset.min_count$"):
        loaded(file, "a b\na c\n", min_count=3)


def test_word_that_is_none_costs_one_line(file: Path) -> None:
    with pytest.raises(DataError, match=r"a word of 20,000 characters; expected 10,000 at most"):
        loaded(file, f"a b\n{'x' * 20_000} b\n{'x' * 20_000}\n")


def test_missing_files_and_what_is_none_are_named(file: Path, tmp_path: Path) -> None:
    file.write_text("a\nb\n")
    with pytest.raises(DataError, match=r"caption.txt: there is no such file. Did you mean 'captions.txt'\?$"):
        Text(str(tmp_path / "caption.txt")).load()
    with pytest.raises(DataError, match=r"^there is no folder .*nowhere\.$"):
        Text(str(tmp_path / "nowhere" / "captions.txt")).load()
    with pytest.raises(DataError, match=r": a folder; expected a file$"):
        Text(str(tmp_path)).load()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match=r"pipe: no ordinary file$"):
        Text(str(tmp_path / "pipe")).load()
    with pytest.raises(DataError, match=r"cannot be read \(File name too long\)$"):
        Text(str(tmp_path / ("x" * 300))).load()
    with pytest.raises(DataError, match=r"there is no such file"):
        Text(str(tmp_path / "a\0b")).load()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"path": None}, "path: expected a file with a sentence on each line .dataset.path=FILE., got None"),
        ({"path": ""}, "path: expected a file"),
        ({"path": "~no such user/x"}, "path: expected a folder below a home directory that exists"),
        ({"max_length": 1}, "max_length: expected an integer from 2 to 1,024, got 1"),
        ({"min_count": 0}, "min_count: expected an integer from 1 to 1,000,000,000, got 0"),
        ({"most_words": 0}, "most_words: expected an integer from 1 to 1,000,000,000 or null, got 0"),
        *(
            ({"encoding": name}, "encoding: expected an encoding of text")
            for name in ("", "hex", "idna", "utf-9", "\0", "x" * 9)
        ),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        Text(**{"path": "x", **settings})  # type: ignore[arg-type]


def test_held_out_sentences_are_the_rows_of_the_split(file: Path) -> None:
    text = loaded(file, "".join(f"w{number}\n" for number in range(100)))
    split = split_sequences(text, 0.2)
    train, held = split_rows(100, 0.2)
    assert np.array_equal(selected_tokens(split.train), text.tokens[train])
    assert np.array_equal(selected_tokens(split.held_out), text.tokens[held])
    assert (split.train.count, split.held_out.count) == (80, 20)
    none = split_sequences(text, 0.1)  # ten are not worth it
    assert (none.train.rows, none.train.count, none.held_out.count) == (None, 100, 0)
    assert fingerprint(split.train) == fingerprint(text)


def test_fingerprint_distinguishes_tokens_words_and_ends(file: Path) -> None:
    text = loaded(file, "a b\nb c\n")
    same = data_identity(loaded(file, "a b\r\n\r\nb c"))
    assert data_identity(text) == same == {"sequences": 2, "fingerprint": fingerprint(text)}
    others = [
        Sequences(text.tokens, ("", "b", "a", "d"), text.end),
        Sequences(text.tokens, text.words, None),
        Sequences(text.tokens[::-1], text.words, text.end),
    ]
    assert len({fingerprint(text), *map(fingerprint, others)}) == 4
    reject_changed_data(data_identity(text), same)
    with pytest.raises(DataError, match=r"\(2 sequences then, 3 now\)"):
        reject_changed_data(data_identity(text), data_identity(loaded(file, "a b\nb c\nc\n")))


def test_real_captions(real_data: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = Text(str(real_data / "text" / "image_coco.txt")).load()
    assert (text.tokens.shape, len(text.words)) == ((10_000, 32), 3153)
    assert text.words[:5] == ("", "<unk>", "a", "with", "the")
    found = lengths(text.tokens, text.end)
    assert (int(found.min()), int(np.median(found)), int(found.max())) == (7, 10, 32)
    assert any(": 2 of 10000 lines are longer" in line for line in log_messages(caplog))
    assert len(Text(str(real_data / "text" / "image_coco.txt"), min_count=1).load().words) == 6095
