"""Faults that a run has to survive, one file each: ``python -m tests.soak kills --times 30``."""
