"""What one model a modality is learned with: one estimator a file, found by its name."""
