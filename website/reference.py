"""The reference pages that are made of code: options, settings, commands and interfaces."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator, Sequence

from gan_cli.config.reference.console import defaults_in_words
from gan_cli.config.reference.groups import GROUPS, subgroups
from gan_cli.config.reference.options import Catalog, Option, Parameter, shared_parameters
from gan_cli.config.reference.settings import Section, find_sections, sections

CATALOG = Catalog()
# Modules of the commands whose arguments are options of their own.
COMMANDS = ("sample", "evaluate", "report", "export", "bench", "tour")
# Modules whose functions and classes are names of the package itself.
PACKAGE = {"gan_cli": "gan_cli.interface.functions", "gan_cli.Run": "gan_cli.interface.run"}
# Interfaces for parts of one's own, and what they pass around.
INTERFACES = ("adversarial", "architecture", "data", "algorithm", "callbacks", "rng")


def pages() -> Iterator[tuple[str, str]]:
    """Yield ``(page, text)`` of every page."""
    yield "reference/options/SUMMARY.md", "\n".join(f"- [{group}]({_file(group)})" for group in GROUPS)
    for group in GROUPS:
        yield f"reference/options/{_file(group)}", _group_page(group)
    yield "reference/index.md", _index()
    yield "reference/settings.md", _settings_page()
    yield "reference/commands.md", _commands_page()
    yield "reference/python.md", _python_page()


def _index() -> str:
    rows = [
        f"| [`{group}`](options/{_file(group)}) | {', '.join(_names(group))} | {_escaped(text)} |"
        for group, text in GROUPS.items()
    ]
    table = "\n".join(["| group | options | what it decides |", "|---|---|---|", *rows])
    return f"""# Reference

A command chooses options of groups, `group=option`, and sets keys, `key=value`: the [settings](settings.md) and
the parameters of the options. These pages are made of the same sources as `gan-train --help GROUP`. Defaults are bold.

{table}
"""


def _names(group: str) -> Iterator[str]:
    default = CATALOG.defaults.get(group)
    yield from (f"**`{name}`**" if name == default else f"`{name}`" for name in CATALOG.names(group))


def _group_page(group: str) -> str:
    options = CATALOG.options(group)
    lines = [f"# {group}", "", f"`{group}=OPTION`: {GROUPS[group]}.", ""]
    if subgroups(group):
        lines += ["Groups below it: " + ", ".join(f"[`{each}`]({_file(each)})" for each in subgroups(group)) + ".", ""]
    chooses = group != "experiment" and any(option.selects for option in options)
    lines += (
        ["| option | what it is | it also chooses |", "|---|---|---|"]
        if chooses
        else ["| option | what it is |", "|---|---|"]
    )
    lines += [_option_row(option, chooses) for option in options]
    shared = [] if group == "experiment" else shared_parameters(options)
    if shared:
        entries = [(each.parameter, defaults_in_words(each), tuple(each.defaults)) for each in shared]
        lines += [
            "",
            "## Parameters",
            "",
            *_table([(p, d, of if len(of) < len(options) else ()) for p, d, of in entries]),
        ]
    for section in find_sections(group):
        lines += ["", *_section(section, "##")]
    for option in options if group == "experiment" else ():
        lines += ["", *_experiment(option)]
    return "\n".join(lines) + "\n"


def _option_row(option: Option, chooses: bool) -> str:
    is_default = option.name == CATALOG.defaults.get(option.group)
    name = f"**`{option.name}`** (default)" if is_default else f"`{option.name}`"
    chosen = f" {'<br>'.join(f'`{each}`' for each in option.selects)} |" if chooses else ""
    return f"| {name} | {_escaped(option.summary)} |{chosen}"


def _experiment(option: Option) -> Iterator[str]:
    yield f"## {option.name}"
    yield ""
    yield option.text
    yield ""
    yield (
        f"`gan-train experiment={option.name}` sets "
        + ", ".join(f"`{k}={v}`" for k, v in option.settings.items())
        + "."
    )


def _settings_page() -> str:
    lines = ["# Settings", "", "Keys that every run has, whatever options it chooses: `gan-train KEY=VALUE`."]
    for section in sections():
        lines += ["", *_section(section, "##")]
    return "\n".join(lines) + "\n"


def _section(section: Section, level: str) -> list[str]:
    title = f"Settings: {section.name}" if section.name else "Top level"
    rows = [(setting, setting.default, ()) for setting in section.settings]
    table = ["", *_table(rows)] if rows else []
    return [f"{level} {title}", "", section.text.replace("``", "`"), *table]


def _table(rows: Sequence[tuple[Parameter, str, tuple[str, ...]]]) -> list[str]:
    table = ["| key | default | allowed | meaning |", "|---|---|---|---|"]
    for parameter, default, of in rows:
        belongs = f" Of {', '.join(f'`{name}`' for name in of)}." if of else ""
        text = f"{_escaped(parameter.text).rstrip('.')}.{belongs}"
        table.append(f"| `{parameter.key}` | {_escaped(default)} | {_escaped(parameter.allowed)} | {text} |")
    return table


def _commands_page() -> str:
    lines = [
        "# Commands",
        "",
        "`gan-train [group=option ...] [key=value ...]` trains, resumes and sweeps; its keys have pages of their own.",
    ]
    for module in COMMANDS:
        parser = importlib.import_module(f"gan_cli.cli.{module}")._parser()
        lines += ["", f"## {parser.prog}", "", _escaped(parser.description or "")]
        lines += ["", "| argument | meaning |", "|---|---|"]
        lines += [_argument(action) for action in parser._actions if not isinstance(action, argparse._HelpAction)]
    return "\n".join(lines) + "\n"


def _argument(action: argparse.Action) -> str:
    value = action.metavar or (action.dest.upper() if action.nargs != 0 else "")
    shown = " ".join(filter(None, [", ".join(action.option_strings), str(value) if action.option_strings else ""]))
    choices = f" One of {', '.join(map(str, action.choices))}." if action.choices else ""
    text = (action.help or "") % {"default": action.default} if action.help else ""
    return f"| `{shown or action.metavar or action.dest}` | {_escaped(text)}{choices} |"


def _python_page() -> str:
    lines = [
        "# Python interfaces",
        "",
        "What the package offers to a program ([From Python](../python.md)); below it, what a part of your own"
        " implements ([Add parts of your own](../extending.md)), and what it is given.",
    ]
    for title, module in PACKAGE.items():
        lines += ["", f"## {title}", "", f"::: {module}"]
    for name in INTERFACES:
        module = importlib.import_module(f"gan_cli.protocols.{name}")
        lines += ["", f"## {name}", "", f"::: {module.__name__}"]
    return "\n".join(lines) + "\n"


def _file(group: str) -> str:
    return f"{group.replace('/', '-')}.md"


def _escaped(text: str) -> str:
    """Return a text as Markdown of a table's cell."""
    text = text.replace("``", "`").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
    return "`".join(
        part if index % 2 else part.replace("*", "\\*").replace("_", "\\_").replace("[", "\\[")
        for index, part in enumerate(text.split("`"))
    )
