"""The subcommands of `gengap`, which `server.cli` collects: one module each, grouped by what they talk to."""
