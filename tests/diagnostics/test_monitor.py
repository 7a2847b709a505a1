"""From metrics to alarms: thresholds, patience, messages, and the state that a checkpoint restores."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from gan_cli.algorithms.gan.alarm_rules import alarm_rules
from gan_cli.algorithms.gan.suggestions import GANSettings
from gan_cli.config.diagnostics import ALARMS, DiagnosticsSection, OnAlarm, OscillationSection
from gan_cli.diagnostics.monitor import AlarmMonitor
from gan_cli.diagnostics.rules import NON_FINITE
from tests.helpers.monitors import HEALTHY, SICK, new_monitor, reports

CRITIC = GANSettings("divergence/wasserstein", None)


def test_health_raises_nothing() -> None:
    assert reports(new_monitor(), {}, 100) == []


@pytest.mark.parametrize("name", SICK)
def test_each_problem_raises_its_own_alarm_once_after_its_patience(name: str) -> None:
    monitor = new_monitor()
    reports(monitor, {}, 6)
    patience = getattr(DiagnosticsSection(), name).patience
    assert reports(monitor, SICK[name], patience - 1, start=6) == []
    (alarm,) = reports(monitor, SICK[name], 20, start=5 + patience)
    assert (alarm.name, alarm.step) == (name, 50 * (6 + patience))
    for tag in SICK[name]:
        assert alarm.figures[tag] == SICK[name][tag]
    (kept,) = monitor.alarms
    assert kept.last_step == 50 * (25 + patience)


@pytest.mark.parametrize("name", SICK)
def test_a_healthy_report_in_between_starts_the_count_anew(name: str) -> None:
    monitor = new_monitor()
    reports(monitor, {}, 6)
    for start in range(6, 60, 5):
        assert reports(monitor, SICK[name], 3, start) == []
        assert reports(monitor, {}, 2, start + 3) == []


def test_an_alarm_is_over_after_as_many_healthy_reports_and_may_be_raised_again() -> None:
    monitor = new_monitor()
    assert len(reports(monitor, SICK["mode_collapse"], 4)) == 1
    results = [monitor.check(step, HEALTHY) for step in (250, 300, 350, 400)]
    assert [list(each.ended) for each in results] == [[], [], [], ["mode_collapse"]]
    assert [each.scalars["diagnosis/mode_collapse"] for each in results] == [1.0, 1.0, 1.0, 0.0]
    assert len(reports(monitor, SICK["mode_collapse"], 4, start=8)) == 1
    assert [(alarm.step, alarm.last_step) for alarm in monitor.alarms] == [(200, 200), (600, 600)]


def test_an_alarm_whose_sign_comes_and_goes_is_raised_once() -> None:
    monitor = new_monitor()
    reports(monitor, SICK["mode_collapse"], 4)
    for start in range(4, 40, 4):
        assert reports(monitor, {}, 3, start) == []
        assert reports(monitor, SICK["mode_collapse"], 1, start + 3) == []
    assert [alarm.last_step for alarm in monitor.lasting] == [2000]


@pytest.mark.parametrize("name", ALARMS)
def test_patience_0_switches_an_alarm_off(name: str) -> None:
    limits = DiagnosticsSection()
    limits = replace(limits, **{name: replace(getattr(limits, name), patience=0)})
    monitor = new_monitor(limits)
    assert [alarm for alarm in reports(monitor, SICK.get(name, {}), 50) if alarm.name == name] == []
    assert f"diagnosis/{name}" not in monitor.check(1, HEALTHY).scalars


def test_thresholds_are_parameters() -> None:
    limits = DiagnosticsSection()
    limits.mode_collapse.diversity = 0.95
    assert [alarm.name for alarm in reports(new_monitor(limits), {}, 4)] == ["mode_collapse"]


@pytest.mark.parametrize("sign", [{"diagnosis/modes": 0.25}, {"diagnosis/neighbours": 0.1}])
def test_missing_modes_are_a_collapse_too_but_not_at_the_beginning_of_a_slow_run(sign: dict[str, float]) -> None:
    monitor = new_monitor()
    assert reports(monitor, sign, 11) == []
    assert [(alarm.name, alarm.step) for alarm in reports(monitor, sign, 9, start=11)] == [("mode_collapse", 600)]


def test_half_of_the_modes_are_too_few_once_there_were_all_of_them() -> None:
    monitor = new_monitor()
    assert reports(monitor, {"diagnosis/modes": 0.4}, 20) == []
    reports(monitor, {"diagnosis/modes": 0.95}, 10, start=20)
    assert reports(monitor, {"diagnosis/modes": 0.5}, 20, start=30) == []
    (alarm,) = reports(monitor, {"diagnosis/modes": 0.4}, 20, start=50)
    assert (alarm.name, alarm.step, alarm.evidence) == ("mode_collapse", 3100, "samples cover 40% of the modes")


def test_a_gradient_that_vanishes_because_g_has_converged_raises_nothing() -> None:
    monitor = new_monitor()
    reports(monitor, {}, 6)
    assert reports(monitor, {"diagnosis/gradient": 1e-3, "d/auc": 0.7}, 9, start=6) == []


def test_classes_that_are_missing_are_a_collapse_where_a_classifier_tells() -> None:
    assert reports(new_monitor(), {"metrics/class_kl/classifier": 0.3}, 9) == []
    (alarm,) = reports(new_monitor(), {"metrics/class_kl/classifier": 1.6}, 12)
    assert "1.60 nats" in alarm.message


def test_samples_all_over_the_place_have_not_collapsed() -> None:
    assert (
        reports(new_monitor(), {"diagnosis/neighbours": 0.1, "diagnosis/modes": 0.3, "diagnosis/diversity": 2.0}, 20)
        == []
    )


def test_a_critic_without_a_ceiling_is_never_too_strong() -> None:
    monitor = AlarmMonitor(DiagnosticsSection(), alarm_rules(DiagnosticsSection(), CRITIC))
    figures = {"divergence/wasserstein": 3.0, "d/accuracy_real": 1.0, "d/accuracy_fake": 1.0}
    assert reports(monitor, figures, 50) == []
    assert "diagnosis/discriminator_too_strong" not in monitor.check(1, HEALTHY).scalars


def test_a_gap_of_a_critic_is_compared_with_its_estimate() -> None:
    monitor = AlarmMonitor(DiagnosticsSection(), alarm_rules(DiagnosticsSection(), CRITIC))
    assert reports(monitor, {"divergence/wasserstein": 100.0, "diagnosis/held_out_gap": 10.0}, 50) == []
    (alarm,) = reports(monitor, {"divergence/wasserstein": 1.0, "diagnosis/held_out_gap": 0.6}, 5)
    assert alarm.name == "discriminator_overfits"


@pytest.mark.parametrize(("low", "high", "raised"), [(0.6, 1.0, ["oscillation"]), (0.80, 0.84, []), (0.9, 0.9, [])])
def test_oscillation_needs_wide_swings_that_turn_around(low: float, high: float, raised: list[str]) -> None:
    monitor, found = new_monitor(), []
    for step in range(40):
        found += monitor.check(step + 1, {**HEALTHY, "d/auc": high if step % 2 else low}).raised
    assert [alarm.name for alarm in found] == raised


def test_a_slow_rise_is_no_oscillation() -> None:
    limits = DiagnosticsSection(oscillation=OscillationSection(swing=0.01))
    monitor = new_monitor(limits)
    found = [alarm for step in range(40) for alarm in monitor.check(step, {**HEALTHY, "d/auc": step / 40}).raised]
    assert "oscillation" not in [alarm.name for alarm in found]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_raises_at_once_even_where_nothing_else_is_checked(value: float) -> None:
    for limits in (DiagnosticsSection(), DiagnosticsSection(every=0)):
        (alarm,) = new_monitor(limits).check(7, {**HEALTHY, "loss/d": value, "loss/g": value}).raised
        assert (alarm.name, alarm.step) == (NON_FINITE, 7)
        assert "loss/d" in alarm.message
        assert alarm.figures == {"loss/d": None, "loss/g": None}


def test_reports_without_diagnostics_change_no_count() -> None:
    monitor = new_monitor()
    reports(monitor, SICK["mode_collapse"], 3)
    monitor.check(200, {"loss/d": 1.0, "d/auc": 0.8, "lr/g": 1e-4})
    assert [alarm.name for alarm in reports(monitor, SICK["mode_collapse"], 1, start=4)] == ["mode_collapse"]


def test_a_restored_monitor_continues_as_if_it_had_never_stopped() -> None:
    one, other = new_monitor(), new_monitor()
    reports(one, {}, 30)
    reports(one, SICK["vanishing_gradient"], 4, start=30)
    other.load_state_dict(one.state_dict())
    assert reports(one, SICK["vanishing_gradient"], 3, 34) == reports(other, SICK["vanishing_gradient"], 3, 34) != []
    assert one.state_dict() == other.state_dict()


def test_less_patience_on_resume_raises_an_alarm_at_the_next_report() -> None:
    first, impatient = new_monitor(), DiagnosticsSection()
    assert reports(first, SICK["mode_collapse"], 3) == []
    impatient.mode_collapse.patience = 2
    second = new_monitor(impatient)
    second.load_state_dict(first.state_dict())
    assert [alarm.name for alarm in reports(second, SICK["mode_collapse"], 3, start=3)] == ["mode_collapse"]


def test_policies_are_named_as_the_documentation_names_them() -> None:
    assert [policy.value for policy in OnAlarm] == ["warn", "stop", "rollback"]


def test_flags_do_not_act_unless_configured_to() -> None:
    limits = DiagnosticsSection()
    monitor = new_monitor(limits)
    (weak,) = reports(monitor, SICK["discriminator_too_weak"], 5)
    (collapse,) = reports(monitor, SICK["mode_collapse"], 4, start=5)
    assert (monitor.actionable(weak), monitor.actionable(collapse)) == (False, True)
    limits.discriminator_too_weak.acts = True
    assert monitor.actionable(weak)


# ---- notes


MEMORIZES = {"diagnosis/held_out_gap": 0.31, "divergence/jsd_held_out": 0.0}


def test_a_discriminator_that_memorizes_somewhat_is_noted_at_the_end_and_raises_no_alarm() -> None:
    monitor = new_monitor()
    assert reports(monitor, MEMORIZES, 30) == []
    (note,) = monitor.notes
    assert "0.31 on training data, 0.00 on held-out" in str(note)
    assert note.overrides in str(note)
    assert len(str(note)) <= 110
    assert "diagnosis/discriminator_memorizes" not in monitor.check(2000, {**HEALTHY, **MEMORIZES}).scalars
    reports(monitor, {}, 5, start=41)
    assert monitor.notes == []


def test_a_note_keeps_silent_while_an_alarm_lasts() -> None:
    monitor = new_monitor()
    reports(monitor, {**MEMORIZES, **SICK["mode_collapse"]}, 30)
    assert monitor.notes == []


# ---- states of earlier versions


def test_the_state_of_an_earlier_version_says_by_its_counts_which_alarms_last() -> None:
    monitor = new_monitor()
    reports(monitor, SICK["mode_collapse"], 6)
    old = monitor.state_dict()
    for key in ("absent", "active", "modes", "modes_peak"):
        del old[key]
    for alarm in old["alarms"]:
        for key in ("evidence", "overrides", "see"):
            del alarm[key]
    resumed = new_monitor()
    resumed.load_state_dict(old)
    assert [alarm.name for alarm in resumed.lasting] == ["mode_collapse"]
    assert reports(resumed, SICK["mode_collapse"], 3, start=6) == []
    assert "Try pac=4: " in str(resumed.lasting[0])
