"""What the literature's measures get on four zoos, as a page of the documentation: `python -m benchmarks.results`."""
