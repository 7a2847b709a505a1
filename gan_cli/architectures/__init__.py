"""Networks and their initialisation: a module a family, each with one class that builds a fitting pair."""
