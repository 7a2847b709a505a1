"""How good generated samples are: what ``gan-eval`` and ``train.eval_every`` measure, and how that came about."""
