"""How numbers, results, zoos and the documentation read: shared by pages, API and commands."""
