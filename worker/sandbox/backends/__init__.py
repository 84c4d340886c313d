"""Sandbox backends: bubblewrap and Docker."""
