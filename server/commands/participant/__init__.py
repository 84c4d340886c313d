"""Commands that talk to a server over its API; they import none of the server's code."""
