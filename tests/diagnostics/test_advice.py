"""Hints of alarms at the end of a run: one suggestion counts."""

from __future__ import annotations

from gan_cli.diagnostics.advice import final_hint
from gan_cli.protocols.callbacks import Alarm


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
