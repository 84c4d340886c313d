"""The layers of protection: which there are, how each is tried, and the system call filter."""
