"""What ``gan-export`` writes: a trained generator in three file formats, and the card that describes it."""
