"""One training run from its configuration to its summary: assembly, loop, monitoring, recovery."""
