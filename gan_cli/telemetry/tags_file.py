"""The file ``tags.json`` of a run: units, directions and ceilings of the tags that depend on its loss."""

from __future__ import annotations

from collections.abc import Mapping

from gan_cli.metrics.registry import MetricInfo
from gan_cli.protocols.callbacks import Callback, StartEvent
from gan_cli.storage.files import WriteErrorHandler
from gan_cli.storage.run_directory import RunDirectory


class TagsFileWriter(Callback):
    """Writes what a run knows of its tags, for ``gan-report``, which builds nothing of a run."""

    def __init__(self, directory: RunDirectory, errors: WriteErrorHandler, infos: Mapping[str, MetricInfo]) -> None:
        """Keep the descriptions, by tag or by what several tags have before the slash; ``errors`` is a policy."""
        self._directory = directory
        self._errors = errors
        self._infos = infos

    def on_start(self, event: StartEvent) -> None:
        """Write the file, also when a run of an earlier version continues; none for a run without a loss."""
        if not self._infos:
            return
        content = {
            tag: {"unit": info.unit, "better": info.better, "ceiling": info.ceiling, "what": info.description}
            for tag, info in self._infos.items()
        }
        with self._errors.writing("tags.json", self._directory.tags):
            self._directory.write_tags(content)
