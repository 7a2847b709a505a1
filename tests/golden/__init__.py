"""Recorded runs: what shows, bit by bit, that a refactoring changes nothing."""
