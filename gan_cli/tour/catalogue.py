"""The stations of the tour, in the order in which the theory is taught. Imports no torch and no matplotlib."""

from __future__ import annotations

from gan_cli.errors import ConfigError, did_you_mean
from gan_cli.tour.station import Station
from gan_cli.tour.stations import (
    after_wgan,
    best_discriminator,
    divergences,
    earth_mover,
    game,
    information,
    mode_collapse,
    noise,
    saturation,
    stray_pixel,
    strong_discriminator,
    text,
    vae,
    value,
    wgan_changes,
)

STATIONS: tuple[Station, ...] = tuple(
    module.STATION
    for module in (
        information,
        divergences,
        vae,
        stray_pixel,
        game,
        best_discriminator,
        value,
        saturation,
        strong_discriminator,
        noise,
        mode_collapse,
        earth_mover,
        wgan_changes,
        after_wgan,
        text,
    )
)


def find_station(asked: str) -> int:
    """Return the number of a station, from 1, by its number or name.

    Raises:
        ConfigError: there is none.
    """
    names = [station.name for station in STATIONS]
    if asked in names:
        return names.index(asked) + 1
    if asked.isdecimal() and 1 <= int(asked) <= len(STATIONS):
        return int(asked)
    raise ConfigError(
        f"station {asked!r}: expected a number from 1 to {len(STATIONS)} or one of {', '.join(names)}"
        f"{did_you_mean(asked, names)}"
    )
