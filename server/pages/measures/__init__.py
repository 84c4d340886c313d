"""Pages about the measures that ship with Gengap, and about the public zoos that they are tried on."""
