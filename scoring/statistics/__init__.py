"""The statistics that metrics and reports are made of, each in a module of its own."""
