"""The engine: ids, alignment, batches, strategies. NumPy only; opens no path, prints nothing."""
