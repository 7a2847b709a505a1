"""Plans of runs, from overrides."""

from __future__ import annotations

from gan_cli.config.compose import compose, register
from gan_cli.diagnostics.rules import AlarmRule
from gan_cli.training import planning
from gan_cli.training.planning import Plan


def planned(*overrides: str) -> Plan:
    register()
    return planning.plan(compose(["device=cpu", *overrides]).config)


def alarm_rules_of(*overrides: str) -> list[AlarmRule]:
    """Return the rules by which a run of these settings raises alarms."""
    plan = planned(*overrides)
    return plan.family.alarm_rules(plan.config, plan)
