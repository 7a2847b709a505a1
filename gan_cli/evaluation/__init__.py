"""Evaluation of generated samples by ``gan-eval`` and ``train.eval_every``, with the provenance of each result."""
