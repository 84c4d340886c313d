"""The supervisor's side of the sandbox: one small protocol, a backend a module."""
