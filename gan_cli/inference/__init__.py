"""Inference with the trained networks of a run: loading, sampling and exporting them."""
