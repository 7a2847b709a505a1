"""Pages that ``gan-train --help`` prints: one to begin with, one of each group, option, section and key."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gan_cli.config.reference.groups import GROUPS, subgroups
from gan_cli.config.reference.options import Catalog, Option, Parameter, SharedParameter, shared_parameters
from gan_cli.config.reference.settings import Section, find_sections, sections
from gan_cli.errors import ConfigError, did_you_mean, truncated_repr

MAX_WIDTH = 100
MIN_WIDTH = 40
# Of the left one of two columns.
MAX_COLUMN = 20
# Groups and settings that the first page explains; the others it only names.
FIRST_GROUPS = {
    "dataset": "what to learn",
    "loss": "what D and G minimize",
    "architecture": "the networks",
    "noise": "instance noise",
    "device": "where to compute",
}
FIRST_KEYS = {
    "train.steps=N": "how long: updates of G",
    "train.batch_size=N": "samples per update",
    "optimizer.lr=X": "learning rate of both networks; lr_g and lr_d for each",
    "seed=N": "of everything that is random",
    "train.eval_every=N": "measure the samples every N steps",
}
OVERVIEW = """\
gan-train trains a GAN and says what is going wrong.

  gan-train                                  8x8 digits, in about a minute
  gan-train group=option key=value ...       choose parts, set numbers
  gan-train -m loss=jsd,wgan seed=0,1 ...    a sweep: one run for each
  gan-train resume=RUN_DIR train.steps=N     continue a run
  gan-train init=RUN_DIR, fork=RUN_DIR ...   a new run from another one
  gan-train dry_run=true ...                 check everything, write nothing

The ten things one needs most (* is the default):
{first}
{keys}

More groups: {groups}
More settings: {sections}

  gan-train --help loss            a group: its options and their parameters, with what each means
  gan-train --help train           a section of settings; also a key or an option: --help loss=wgan
  gan-train --help all             everything; the same as pages: docs/
  gan-train --cfg job loss=wgan    the whole configuration of a command
  gan-train --config-dir DIR ...   options of your own (docs/extending.md)
  gan-train --hydra-help           flags of Hydra's own, tab completion too"""


@dataclass(frozen=True)
class HelpPages:
    """The pages about a set of options.

    Attributes:
        catalog: the options.
    """

    catalog: Catalog

    def overview(self) -> str:
        """Return the first page: how a command is built, what one needs most, and where the rest is."""
        first = "\n".join(
            _hanging(f"{group}=", f"{words}: {self._marked_names(group)}", 20) for group, words in FIRST_GROUPS.items()
        )
        keys = "\n".join(_hanging(key, text, 20) for key, text in FIRST_KEYS.items())
        groups = ", ".join(group for group in GROUPS if group not in FIRST_GROUPS)
        elsewhere = {"", *GROUPS}
        named = [each.name for each in sections() if "." not in each.name and each.name not in elsewhere]
        page = OVERVIEW.format(first=first, keys=keys, groups=groups, sections=", ".join(named))
        return "\n".join(map(_rewrapped, page.splitlines()))

    def topic(self, word: str) -> str:
        """Return the page of a group, an option, a section or a key.

        Args:
            word: ``loss``, ``loss/penalty`` or ``loss.penalty``, ``loss=wgan``, ``train``, ``noise.start``; also the
                name of an option alone, the last part of a key, or ``all``.

        Raises:
            ConfigError: there is nothing of that name.
        """
        if word == "all":
            return "\n\n".join([*map(self._group, GROUPS), *map(_section, sections())])
        group, is_option, names = word.replace(".", "/").strip("/").partition("=")
        if group in GROUPS:
            return self._options(group, names.strip("[]").split(",")) if is_option else self._group(group)
        found = find_sections(word)
        if found:
            return "\n\n".join(map(_section, found))
        pages = [*self._keys(word.partition("=")[0]), *self._options_of_name(word)]
        if not pages:
            keys = (parameter.key for parameter, _ in self._all_keys())
            known = [*GROUPS, *(section.name for section in sections()), *keys, "all"]
            hint = did_you_mean(word, known) or f" Groups: {', '.join(GROUPS)}."
            raise ConfigError(f"--help: there is no group, section, option or key {truncated_repr(word)}.{hint}")
        return "\n\n".join(pages)

    def _group(self, group: str) -> str:
        options = self.catalog.options(group)
        default = self.catalog.defaults.get(group)
        width = max(len(option.name) for option in options) + 3
        lines = [_wrapped(f"{group}=OPTION: {GROUPS[group]}"), "", "Options (* is the default):"]
        for option in options:
            lines.append(_hanging(f"{'*' if option.name == default else ' '} {option.name}", _summary(option), width))
        lines += _parameters(shared_parameters(options) if group != "experiment" else [], len(options))
        for section in find_sections(group):
            lines += ["", _section(section)]
        below = subgroups(group)
        examples = [*below[:1], f"{group}={options[-1].name}"]
        lines += ["", _wrapped(f"More: {', '.join(f'gan-train --help {each}' for each in examples)}")]
        if below:
            lines.append(_wrapped(f"Groups below it: {', '.join(below)}"))
        return "\n".join(lines)

    def _options(self, group: str, names: Sequence[str]) -> str:
        options = {option.name: option for option in self.catalog.options(group)}
        for name in names:
            if name not in options:
                hint = did_you_mean(name, options) or f" Options: {', '.join(options)}."
                raise ConfigError(f"--help: there is no option {truncated_repr(f'{group}={name}')}.{hint}")
        return "\n\n".join(self._option(options[name]) for name in names)

    def _option(self, option: Option) -> str:
        default = " (the default)" if self.catalog.defaults.get(option.group) == option.name else ""
        lines = [f"{option.group}={option.name}{default}", "", *_paragraphs(option.text)]
        if option.selects:
            chosen = ", ".join(option.selects)
            lines += ["", _wrapped(f"It chooses {chosen}; what the command line chooses comes first.")]
        if option.settings:
            settings = " ".join(f"{key}={value}" for key, value in option.settings.items())
            lines += ["", _wrapped(f"It sets {settings}")]
        return "\n".join([*lines, *_parameters(shared_parameters([option]), 1)])

    def _keys(self, key: str) -> Iterator[str]:
        """Yield an entry of each setting and parameter with this key, or whose last part it is."""
        candidates = list(self._all_keys())
        whole = [entry for entry in candidates if entry[0].key == key]
        for parameter, default in whole or [entry for entry in candidates if entry[0].key.rpartition(".")[2] == key]:
            yield "\n".join(_entry(parameter, default, ""))

    def _all_keys(self) -> Iterator[tuple[Parameter, str]]:
        """Yield every setting and every parameter, with its default."""
        for section in sections():
            yield from ((setting, setting.default) for setting in section.settings)
        for group in GROUPS:
            if group != "experiment":
                for each in shared_parameters(self.catalog.options(group)):
                    yield each.parameter, defaults_in_words(each)

    def _options_of_name(self, name: str) -> Iterator[str]:
        yield from (self._options(group, [name]) for group in GROUPS if name in self.catalog.names(group))

    def _marked_names(self, group: str) -> str:
        default = self.catalog.defaults.get(group)
        return ", ".join(f"{name}*" if name == default else name for name in self.catalog.names(group))


def defaults_in_words(shared: SharedParameter) -> str:
    """Return the defaults of a parameter, with the options that have them where they differ."""
    by_value: dict[str, list[str]] = {}
    for option, value in shared.defaults.items():
        by_value.setdefault(value, []).append(option)
    if len(by_value) == 1:
        return next(iter(by_value))
    return "; ".join(f"{', '.join(options)}: {value}" for value, options in by_value.items())


def _entry(parameter: Parameter, default: str, of: str) -> list[str]:
    line = f"{parameter.key} [{default}]  {parameter.allowed}{of}"
    head = textwrap.wrap(line, _width(), initial_indent="  ", subsequent_indent="      ", break_on_hyphens=False)
    text = parameter.text.rstrip(".").replace("``", "")
    return [*head, textwrap.fill(text, _width(), initial_indent="      ", subsequent_indent="      ")]


def _summary(option: Option) -> str:
    chosen = f"; chooses {', '.join(option.selects)}" if option.selects and option.group != "experiment" else ""
    return f"{option.summary}{chosen}"


def _paragraphs(text: str) -> Iterator[str]:
    """Yield the paragraphs of a text, wrapped; indented blocks stay as they are."""
    for line in text.splitlines():
        yield line if line.startswith(" ") else _wrapped(line)


def _rewrapped(line: str) -> str:
    """Return a line of a page, broken where it does not fit, with its indentation."""
    if len(line) <= _width():
        return line
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.fill(line, _width(), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _hanging(head: str, text: str, width: int) -> str:
    """Return a head and its text in two columns; a long head gets a line of its own."""
    column = " " * (min(width, MAX_COLUMN) + 3)
    filled = textwrap.fill(
        text, _width(), initial_indent=column, subsequent_indent=column, break_on_hyphens=False, break_long_words=False
    )
    if len(head) > MAX_COLUMN:
        return f"  {head}\n{filled}"
    return f"  {head:<{len(column) - 2}}{filled[len(column) :]}"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _width(), break_on_hyphens=False)


def _width() -> int:
    return max(MIN_WIDTH, min(MAX_WIDTH, shutil.get_terminal_size((MAX_WIDTH, 24)).columns))


def _section(section: Section) -> str:
    title = f"{section.name}: " if section.name else ""
    lines = [_wrapped(f"{title}{section.text}".replace("``", ""))]
    for each in section.settings:
        lines += _entry(each, each.default, "")
    return "\n".join(lines)


def _parameters(shared: Sequence[SharedParameter], options: int) -> list[str]:
    lines = ["", "Parameters [default]:"] if shared else []
    for each in shared:
        partial = len(each.defaults) < options and len(set(each.defaults.values())) == 1
        of = f"  (of {', '.join(each.defaults)})" if partial else ""
        lines += _entry(each.parameter, defaults_in_words(each), of)
    return lines
