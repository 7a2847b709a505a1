"""How good samples are: numbers that do not ask the discriminator."""
