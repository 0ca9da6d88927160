"""Where a sweep's results live."""
