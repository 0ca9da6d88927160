"""Packed layers of the frozen base, one module a format."""
