"""SeqGAN: a GAN whose generator is a language model over tokens."""
