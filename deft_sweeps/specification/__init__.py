"""What a sweep is: YAML in, an immutable SweepSpec out, every error at once."""
