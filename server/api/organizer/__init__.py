"""The API for organizers: phases, zoos, uploads."""
