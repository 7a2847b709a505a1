"""One module a family of models: how a single update is made."""
