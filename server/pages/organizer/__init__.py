"""Pages for organizers: workers, phases, zoos, the texts of a competition."""
