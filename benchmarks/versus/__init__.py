"""Compare one decoder trained as a GAN's generator and as a VAE's decoder, and write ``docs/gan-vs-vae.md``."""
