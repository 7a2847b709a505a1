"""Diagnostics of a training run: statistics computed with torch, and alarm rules over plain numbers.

Nothing here depends on where metrics are written.
"""
