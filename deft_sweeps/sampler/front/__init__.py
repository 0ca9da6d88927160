"""The project's own sampler: a Gaussian process over configurations and thresholds."""
