"""Export targets, one module a format."""
