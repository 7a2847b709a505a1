"""Loggers that ``conf/logger/`` names: a class of settings each, which makes the callback of a run."""
