"""Everything that opens a file of a run: its directory, its checkpoints, atomic and appended writes."""
