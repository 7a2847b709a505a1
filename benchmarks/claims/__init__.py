"""What the field claims of GANs, as experiments that anyone can rerun: ``python -m benchmarks.claims``.

A claim is a module here: recipes of ``conf/experiment/claim_*.yaml``, how a run of each seed is measured, bounds that
the figures are to keep, and a picture. ``harness.py`` trains and keeps the runs, ``page.py`` writes ``docs/claims.md``.
"""
