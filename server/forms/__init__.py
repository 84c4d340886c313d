"""Reading forms and query parameters; shared by pages and the API."""
