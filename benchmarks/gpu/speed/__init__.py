"""Steps ``speed_...``: recorded, eager and compiled steps, and a plain loop, in turns in one process."""
