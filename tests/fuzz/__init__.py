"""Hostile and broken input: strategies and the oracle, for the short form in the suite and the long one."""
