"""Autoencoders and variational autoencoders: an encoder and a decoder."""
