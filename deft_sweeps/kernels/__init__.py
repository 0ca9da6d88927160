"""Compiled kernels of a trial on the CPU, and how a compiled library is opened and split over
threads. Where the installation has none, or a tensor is of another device or dtype, torch computes
the same.
"""
