"""Datasets that a configuration can name, one module for each."""
