"""Which models there are, where each keeps its layers, and how one is loaded."""
