"""Swappable components of a run that a ``_target_`` of conf/ may name; architectures, datasets and algorithms aside."""
