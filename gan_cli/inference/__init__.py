"""What a finished run is good for: its trained networks, loaded, sampled and exported."""
