"""Whether the CUDA code is right and how fast it is, in eight minutes of one GPU: ``python -m benchmarks.gpu``."""
