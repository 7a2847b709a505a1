"""Zip and tar archives, of a folder or of any members, and the dataset that reads them."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from gan_cli.datasets.image_archive import ImageArchive
from tests.helpers.image_trees import SIZE, picture


def png(seed: int, form: str = "PNG") -> bytes:
    stream = io.BytesIO()
    picture(seed).save(stream, form)
    return stream.getvalue()


def zipped(path: Path, members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def tar_bytes(members: Mapping[str, bytes | tarfile.TarInfo], form: int = tarfile.PAX_FORMAT) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def tarred(path: Path, members: Mapping[str, bytes | tarfile.TarInfo], form: int = tarfile.PAX_FORMAT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = tar_bytes(members, form)
    path.write_bytes(gzip.compress(content, 1, mtime=0) if path.suffix in (".gz", ".tgz") else content)
    return path


def packed(path: Path, members: Mapping[str, bytes]) -> Path:
    """An archive of the kind that its name says."""
    return zipped(path, members) if path.suffix == ".zip" else tarred(path, members)


def archived(path: Path | str | tuple[str, ...], root: Path, **settings: object) -> ImageArchive:
    place = path if isinstance(path, tuple) else str(path)
    return ImageArchive(**{"path": place, "root": str(root), "size": SIZE, **settings})  # type: ignore[arg-type]
