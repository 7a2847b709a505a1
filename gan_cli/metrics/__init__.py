"""Metrics of sample quality and diversity that do not depend on the discriminator, and their catalog."""
