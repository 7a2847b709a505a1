"""The interface from Python: train runs, open them, look at them. Its names are those of the package itself."""
