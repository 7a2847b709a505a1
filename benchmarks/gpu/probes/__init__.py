"""Step ``probes``: one question each about what could be wrong on a GPU, a process a probe."""
