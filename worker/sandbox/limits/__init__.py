"""Limits enforced from outside: control groups, time, memory, processes."""
