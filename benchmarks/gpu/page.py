"""Put a section into a page between its markers. Imports no torch."""

from __future__ import annotations

from gan_cli.errors import ConfigError

BEGIN = "<!-- gpu: begin; python -m benchmarks.gpu --write-page OUT writes what is between these lines -->"
END = "<!-- gpu: end -->"


def with_section(page: str, section: str) -> str:
    """Return the page with another section between its markers.

    Raises:
        ConfigError: the page does not have both markers, once each, in their order.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in after or END in before:
        raise ConfigError(f"the page has to have the lines {BEGIN!r} and {END!r}, once each")
    return f"{before}{BEGIN}\n\n{section}\n\n{END}{after}"


def section_of(page: str) -> str:
    """Return the section between the markers of a page."""
    return page.partition(BEGIN)[2].partition(END)[0].strip()
