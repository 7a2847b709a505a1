"""One module for each station: its commands, its texts, and the picture."""
