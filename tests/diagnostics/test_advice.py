"""One suggestion of a run counts: alarms that are raised after others, and hints at its end."""

from __future__ import annotations

import math

from gan_cli.diagnostics.advice import final_hint
from gan_cli.protocols.callbacks import Alarm
from tests.helpers.monitors import HEALTHY, SICK, new_monitor, reports


def alarm(name: str, step: int, overrides: str = "", see: str = "") -> Alarm:
    return Alarm(name, step, step, {}, "message", overrides or "see above", "evidence", overrides, see)


COLLAPSE = alarm("mode_collapse", 40, overrides="pac=4")
STRONG = alarm("discriminator_too_strong", 50, overrides="noise=adaptive")
VANISHING = alarm("vanishing_gradient", 110, see="discriminator_too_strong (step 50)")


def test_a_suggestion_that_was_replaced_refers_to_the_one_that_counts() -> None:
    lasting = [STRONG, VANISHING, COLLAPSE]
    assert [final_hint(each, lasting) for each in lasting] == [
        "Try noise=adaptive",
        "See discriminator_too_strong (step 50)",
        "See discriminator_too_strong (step 50)",
    ]


def test_the_suggestion_of_an_alarm_that_is_over_counts_no_longer() -> None:
    assert final_hint(COLLAPSE, [COLLAPSE, VANISHING]) == "Try pac=4"


def raised_in_turn(*names: str) -> list[Alarm]:
    """Return the alarms of a run that has these problems, one after the other, each for 30 reports."""
    monitor = new_monitor()
    for index, name in enumerate(names):
        reports(monitor, SICK[name], 30, start=30 * index)
    return monitor.alarms


def test_too_weak_and_then_too_strong_do_not_send_back_and_forth() -> None:
    weak, strong, again = raised_in_turn("discriminator_too_weak", "discriminator_too_strong", "discriminator_too_weak")
    assert weak.overrides == "loss.d_steps=5"
    # A failure replaces what a flag has suggested, and a flag refers to the failure.
    assert strong.overrides == "noise=adaptive"
    assert "instead of loss.d_steps=5 (discriminator_too_weak (step 250))" in strong.try_next
    assert (again.overrides, again.see) == ("", f"discriminator_too_strong (step {strong.step})")
    assert str(again).endswith(f"See discriminator_too_strong (step {strong.step})")


def test_a_second_failure_refers_to_the_first() -> None:
    first, second, third = raised_in_turn("mode_collapse", "discriminator_overfits", "mode_collapse")
    assert first.overrides == "pac=4"
    for later in (second, third):
        assert (later.overrides, later.see) == ("", "mode_collapse (step 200)")
        assert later.try_next == "pac=4 first, as mode_collapse (step 200) suggests"


def test_the_cause_of_a_failure_has_the_better_suggestion() -> None:
    collapse, strong, gradient = raised_in_turn("mode_collapse", "discriminator_too_strong", "vanishing_gradient")
    assert (collapse.overrides, strong.overrides) == ("pac=4", "noise=adaptive")
    assert gradient.see == f"discriminator_too_strong (step {strong.step})"


def test_numbers_that_are_not_finite_have_a_suggestion_of_their_own_and_change_no_other() -> None:
    monitor = new_monitor()
    reports(monitor, SICK["mode_collapse"], 5)
    (broken,) = monitor.check(300, {**HEALTHY, "loss/d": math.nan}).raised
    assert broken.overrides == "optimizer.lr_g=5e-05 optimizer.lr_d=5e-05"
    (later,) = reports(monitor, SICK["discriminator_overfits"], 5, start=6)
    assert later.see == "mode_collapse (step 200)"
