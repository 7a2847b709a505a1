"""What is going wrong: figures of a game (torch) and what they say (plain numbers). Knows nothing of the sinks."""
