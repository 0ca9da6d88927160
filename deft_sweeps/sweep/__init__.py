"""The sweep on a cluster: what a worker does, what the driver does, and what the user sees
meanwhile.
"""
