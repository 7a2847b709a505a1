"""gan_cli: a command-line runner for GAN experiments."""

__version__ = "0.2.0"
