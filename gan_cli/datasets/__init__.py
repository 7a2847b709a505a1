"""What there is to learn: one module a kind of data, and the sampler that feeds its batches."""
