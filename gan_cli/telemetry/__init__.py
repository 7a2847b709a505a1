"""Where scalars, images and log lines go: metrics.jsonl, TensorBoard, samples/, the console."""
