"""One decoder, trained as a GAN's generator and as a VAE's: what came of it, as ``docs/gan-vs-vae.md``."""
