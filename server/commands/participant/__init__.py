"""Commands that speak to a server over the API; they load nothing of it."""
