"""What a reader may see of one submission's result."""
