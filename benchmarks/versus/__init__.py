"""Compare a GAN, a VAE and a diffusion model of one budget on MNIST and ring8, and write ``docs/comparisons.md``."""
