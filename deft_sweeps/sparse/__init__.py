"""MLP blocks that compute only the rows whose gate is active, in a kernel of plain C."""
