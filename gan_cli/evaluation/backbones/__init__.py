"""Feature extractors that samples are compared by: their own pixels, a small classifier of the data, or Inception."""
