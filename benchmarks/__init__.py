"""Speed and size, measured: each module prints a table when run with `python -m benchmarks.NAME`."""
