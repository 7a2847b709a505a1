"""The result of a benchmark as a table for a person. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence

from gan_cli.bench.results import ModeResult, Result, Spread

# Largest acceptable share of telemetry in the wall time.
GOAL = 0.03
PREFIXES = {1e12: "T", 1e9: "G", 1e6: "M", 1e3: "k"}


def table(result: Result) -> str:
    """Format a result in four blocks of lines: setting, execution modes, parts of a step, telemetry."""
    blocks = (_facts(result), _modes(result), _parts(result), _telemetry(result))
    return "\n\n".join("\n".join(block) for block in blocks)


def _facts(result: Result) -> list[str]:
    setting, work, peak, limit = result.setting, result.work, result.peak, result.limit
    updates = f"{setting.d_steps} D {'step' if setting.d_steps == 1 else 'steps'} for each G step"
    layout = ", channels_last" if setting.device["channels_last"] else ""
    named = " ".join(str(setting.device[key]) for key in ("kind", "name") if setting.device[key])
    rows = {
        "device": f"{named}, {setting.device['precision']}{layout}",
        "processor": f"{setting.processor}, {setting.cores} cores; threads: {setting.device['threads']}",
        "versions": ", ".join(f"{name} {version}" for name, version in setting.versions.items()),
        "dataset": f"{setting.dataset}, {setting.batch_size} samples a batch, {updates}",
        "architecture": setting.architecture,
        **{f"  {name}": f"{each.kind}, {each.parameters:,} parameters" for name, each in setting.networks.items()},
        "work": f"{_si(work.flops_per_step)}FLOP a step, which shows D {work.images_per_step:,.0f} real images:"
        f" {_si(work.flops_per_image)}FLOP an image",
        "peak": f"{_si(peak.flops_per_second)}FLOP/s, in a product of {peak.format} matrices"
        f" of {peak.size} x {peak.size}",
        "limit": f"{_three_digits(limit.milliseconds.median)} ms for the {limit.products:,.0f} products of a step and"
        f" {_si(limit.bytes_read + limit.bytes_written)}B of weights and their state, read or written:"
        f" {_percent(limit.share.median)} of an eager step ({_percent(limit.share.lower)} to"
        f" {_percent(limit.share.upper)})",
    }
    return [f"{name:<16}{text}" for name, text in rows.items()]


def _modes(result: Result) -> list[str]:
    header = ["mode", "steps/s", "min - max", "images/s", "FLOP/s", "of peak", "memory", "first steps", "data wait"]
    lines = _aligned([header, *map(_mode_cells, result.ways)])
    # A reason is longer than a column is wide.
    lines[1:] = [
        line if row.speed else f"{line.rstrip()}  {row.reason}"
        for line, row in zip(lines[1:], result.ways, strict=True)
    ]
    speed = next(row.speed for row in result.ways if row.speed)
    lines += [
        "* the execution mode of a run with this configuration",
        f"memory: {result.memory}",
        f"first steps: {speed.setup_steps}, which compile or capture; not part of the speed",
    ]
    if result.setting.without_warmup:
        lines.append("measured without loss.warmup, whose steps are longer")
    return lines


def _mode_cells(row: ModeResult) -> list[str]:
    name = f"{row.way} *" if row.chosen else row.way
    speed = row.speed
    if speed is None:
        return [name]
    return [
        name,
        _three_digits(speed.steps_per_second.median),
        _range(speed.steps_per_second),
        f"{speed.images_per_second:,.0f}",
        _si(speed.flops_per_second),
        _percent(speed.share_of_peak),
        "unknown" if speed.peak_memory is None else f"{_si(speed.peak_memory)}B",
        f"{speed.setup_seconds:.2f} s",
        "none" if speed.data_wait is None else _percent(speed.data_wait),
    ]


def _parts(result: Result) -> list[str]:
    rows = [[name, f"{part.milliseconds:.3f}", _percent(part.share)] for name, part in result.parts.items()]
    total = sum(part.milliseconds for part in result.parts.values())
    lines = _aligned([["part of an eager step", "ms", "share"], *rows, ["sum", f"{total:.3f}", ""]])
    return [*lines, "measured apart, with a wait for the device at each border: a little more than a step takes"]


def _telemetry(result: Result) -> list[str]:
    rows = [
        [name, f"{cost.milliseconds:.2f}", f"{cost.every:,} steps", _percent(cost.share, 2)]
        for name, cost in result.telemetry.items()
    ]
    header = ["telemetry", "ms each", "every", "share of wall time"]
    lines = _aligned([header, *rows, ["sum", "", "", _percent(result.telemetry_share, 2)]])
    return [*lines, f"the goal is at most {_percent(GOAL)}; written to the folder for temporary files"]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Align columns, the first one to the left and the others to the right; a short row ends early."""
    widths = [max(len(row[column]) for row in rows if column < len(row)) for column in range(len(rows[0]))]
    lines = []
    for first, *others in rows:
        cells = (f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=False))
        lines.append("  ".join([f"{first:<{widths[0]}}", *cells]).rstrip())
    return lines


def _si(value: float) -> str:
    """Format a number with three digits and an SI prefix: ``12.3 G``."""
    for size, prefix in PREFIXES.items():
        if value >= size:
            return f"{_three_digits(value / size)} {prefix}"
    return f"{_three_digits(value)} "


def _three_digits(value: float) -> str:
    """Format a number with three digits, or all of those before the point."""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}"


def _range(spread: Spread) -> str:
    return f"{_three_digits(spread.least)} - {_three_digits(spread.most)}"


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"
