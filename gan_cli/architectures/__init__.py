"""Networks and their initialisation: one module per family, each with a class that builds a matching pair."""
