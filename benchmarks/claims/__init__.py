"""Rerun claims of the GAN literature as experiments: ``python -m benchmarks.claims``.

A claim is a module here: recipes ``benchmarks/conf/experiment/claim_*.yaml``, how a run of each seed is measured,
bounds on its metrics, and a picture. ``harness.py`` trains and keeps the runs, ``page.py`` writes ``docs/claims.md``.
"""
