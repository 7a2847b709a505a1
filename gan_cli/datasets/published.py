"""Common part of datasets that are published as an archive: from the data root if present, else from a mirror."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from gan_cli.data.download import download
from gan_cli.data.published_files import Checksum, PublishedFile
from gan_cli.datasets.base import PublishedImages, missing_files_error
from gan_cli.errors import DataError


@dataclass(frozen=True)
class PublishedArchive(PublishedImages):
    """Base of published images in a gzipped tar archive, which is read in place, or in the folder unpacked from it."""

    archive: ClassVar[str]
    unpacked: ClassVar[str]
    archive_bytes: ClassVar[int]
    archive_checksum: ClassVar[str]
    algorithm: ClassVar[Checksum] = Checksum.sha256

    @property
    def published(self) -> PublishedFile:
        """The archive as it is published."""
        return PublishedFile(self.archive_bytes, self.archive_checksum, self.algorithm)

    def download_archive(self, remark: str = "") -> Path:
        """Download the archive into ``place``, and return its path.

        Args:
            remark: on what lies there instead, put before the error of a download.

        Raises:
            DataError: it cannot be downloaded; says what to put where.
        """
        try:
            return download(self.archive, self.mirrors, self.place, self.published.check, self.archive_bytes)
        except DataError as error:
            files = f"{self.archive} (or the folder {self.unpacked} unpacked from it)"
            explained = DataError(f"{remark} {error}") if remark else error
            raise missing_files_error(explained, files, self.place) from error
