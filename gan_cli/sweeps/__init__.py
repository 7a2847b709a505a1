"""Sweeps (``--multirun``): their jobs, the directories and the status of each, and the summary at the end."""
