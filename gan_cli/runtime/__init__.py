"""Everything that queries or configures the machine: devices, cores, processes, signals, random numbers."""
