"""Measurements of ``gan-bench``: how fast a configuration trains on this machine, and where its time goes."""
