"""How samples get to the device: caches, downloads, decoding, splits and samplers."""
