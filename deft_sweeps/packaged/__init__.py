"""Real checkpoints out of Python packages, converted once into the user's cache. Loads no torch."""
