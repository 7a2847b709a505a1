"""GANs in an afternoon: stations of one question each, with the runs and the picture that answer it (docs/tour.md)."""
