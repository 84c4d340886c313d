"""Limits that are enforced from outside the sandbox: control groups, time, memory, processes."""
