"""Denoising diffusion (Ho et al. 2020): a network learns to remove noise, and makes samples of it step by step."""
