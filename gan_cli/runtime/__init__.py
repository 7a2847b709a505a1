"""Whatever asks the machine: devices, cores, processes, signals, random numbers."""
