"""Lines of a text file in any encoding, one at a time, with the place of whatever is no text."""

from __future__ import annotations

import codecs
import io
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from gan_cli.errors import DataError
from gan_cli.storage.reading import open_regular

# A corpus of a thousand million characters; a larger one takes more memory, in tokens, than machines have.
MAX_BYTES = 2**30
# A sentence is cut after 1024 tokens: a longer line than this is no sentence.
MAX_LINE = 2**20
CHUNK_BYTES = 2**18
# Read piece by piece, Python insists on them.
BYTE_ORDER_MARKS = {
    "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
    "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
}
# NUL, and unpaired surrogates, which some encodings accept: no text has them.
INVALID_CHARACTERS = re.compile("[\0\ud800-\udfff]")


def is_text_encoding(encoding: str) -> bool:
    """Return True for a text encoding of Python's that decodes piece by piece, and can skip invalid bytes."""
    try:
        b"a".decode(encoding, "ignore")
        pieces = (bytes([byte]) for byte in "a-b".encode(encoding))
        return "".join(codecs.iterdecode(pieces, encoding)) == "a-b"
    except (LookupError, ValueError):
        return False


def read_text_lines(path: Path, encoding: str) -> Iterator[str]:
    """Yield the lines of a file, including blank ones, without their ends; a byte order mark is skipped.

    Args:
        path: a regular file.
        encoding: one that :func:`is_text_encoding` accepts.

    Raises:
        DataError: the file cannot be read, it or one of its lines is too long, or its bytes are not of that encoding;
            the message names the line.
    """
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_BYTES:
                raise DataError(f"{path}: {size:,} bytes; expected a text of at most {MAX_BYTES:,}")
            yield from _lines(file, path, encoding)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def _lines(file: BinaryIO, path: Path, encoding: str) -> Iterator[str]:
    decoder = _Decoder(path, _with_byte_order(encoding, file.read(4)))
    file.seek(0)
    for chunk in iter(lambda: file.read(CHUNK_BYTES), b""):
        yield from decoder.lines(chunk)
    yield from decoder.lines(b"")
    if decoder.rest:
        yield decoder.rest


def _with_byte_order(encoding: str, start: bytes) -> str:
    """Return the encoding of a text from its first bytes: without a mark of the byte order, it is this machine's."""
    name = codecs.lookup(encoding).name
    if name in BYTE_ORDER_MARKS and not start.startswith(BYTE_ORDER_MARKS[name]):
        return f"{name}-{sys.byteorder[0]}e"
    return encoding


class _Decoder:
    """Decodes a file chunk by chunk; an empty one ends it.

    Attributes:
        rest: the line that has not ended yet.
    """

    def __init__(self, path: Path, encoding: str) -> None:
        self.rest = ""
        self._path = path
        self._encoding = encoding
        self._bytes = codecs.getincrementaldecoder(encoding)()
        self._line_ends = io.IncrementalNewlineDecoder(None, translate=True)
        self._started = False
        self._ended_lines = 0

    def lines(self, chunk: bytes) -> list[str]:
        """Return the lines that end in the chunk."""
        text = self.rest + self._decode(chunk)
        invalid = INVALID_CHARACTERS.search(text, len(self.rest))
        if invalid:
            found = f"U+{ord(invalid[0]):04X}; expected a file of text"
            raise DataError(f"{self._position(text[: invalid.start()])}: {found}")
        *lines, self.rest = text.split("\n")
        for number, line in enumerate((*lines, self.rest), self._ended_lines + 1):
            if len(line) > MAX_LINE:
                raise DataError(
                    f"{self._path}: line {number} is longer than {MAX_LINE:,} characters; expected sentences"
                )
        self._ended_lines += len(lines)
        return lines

    def _decode(self, chunk: bytes) -> str:
        _, state = self._bytes.getstate()
        try:
            decoded = self._bytes.decode(chunk, final=not chunk)
        except UnicodeError as error:
            self._bytes.setstate((b"", state))
            before = self.rest + self._text(self._bytes.decode(_valid_part(error)))
            expected = f"bytes that are not {self._encoding}; dataset.encoding names another"
            raise DataError(f"{self._position(before)}: {expected}") from error
        return self._text(decoded, final=not chunk)

    def _text(self, decoded: str, final: bool = False) -> str:
        """Return decoded text without its byte order mark, and with Unix line ends."""
        text = decoded if self._started else decoded.removeprefix("\ufeff")
        self._started = self._started or bool(decoded)
        return self._line_ends.decode(text, final=final)

    def _position(self, before: str) -> str:
        """Return the file, line and character, from 1 on, that follow a text after the lines that have ended."""
        line = self._ended_lines + before.count("\n") + 1
        return f"{self._path}: line {line}, character {len(before) - before.rfind(chr(10))}"


def _valid_part(error: UnicodeError) -> bytes:
    """Return the bytes before those that cannot be decoded; none where the codec does not say where they are."""
    if not isinstance(error, UnicodeDecodeError):
        return b""
    return bytes(error.object[: error.start])
