"""Swappable parts of a run: what a ``_target_`` of conf/ may name, beside architectures, datasets and algorithms."""
