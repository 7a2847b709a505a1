"""The GANs: a generator against a discriminator."""
