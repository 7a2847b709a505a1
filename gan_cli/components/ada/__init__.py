"""Augmentations of adaptive discriminator augmentation (Karras et al. 2020, appendix B), all differentiable twice."""
