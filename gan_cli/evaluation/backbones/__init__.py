"""Feature extractors for comparing samples: their own pixels, a small classifier of the data, or Inception."""
