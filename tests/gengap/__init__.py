"""The notebooks' door."""
