"""Whole runs on a CUDA device that is not there, to find what would go wrong on a GPU where none is at hand."""
