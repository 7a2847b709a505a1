"""Data loading, from files to the device: caches, downloads, decoding, splits and samplers."""
