"""What computes an exported model's outputs, one module a library."""
