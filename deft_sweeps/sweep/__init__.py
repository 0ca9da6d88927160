"""The sweep on a cluster: what a worker does, what the driver does, and what the user sees meanwhile."""

import os

# Ray prints a paragraph for each lost worker, whatever its log level; the driver says it in a line. Read when ray is imported.
os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", "A worker died or was killed")
