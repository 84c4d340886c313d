"""Reading what a form or an address asks for: shared by pages and the API."""
