"""GANs on images and points: a generator and a discriminator."""
