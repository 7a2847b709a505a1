"""SeqGAN: a language model as the generator of sequences of tokens."""
