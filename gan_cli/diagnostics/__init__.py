"""Diagnostics of a training run: statistics computed with torch, and the interface of alarm rules over plain numbers.

Nothing here depends on where metrics are written.
"""
