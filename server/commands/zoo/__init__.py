"""`gengap zoo` and its subcommands."""
