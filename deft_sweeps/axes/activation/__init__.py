"""The gate of every MLP block, and what makes one for each member of the axis."""
