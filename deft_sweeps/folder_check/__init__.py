"""Checks that a sweep's folder, its study mirror and its tracker agree, and mends what it can."""
