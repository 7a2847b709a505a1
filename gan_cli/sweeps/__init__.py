"""Sweeps (``--multirun``): what their jobs are, what there is of them already, and how they ended."""
