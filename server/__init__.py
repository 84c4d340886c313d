"""The Flask app, its pages, and the command line. Thin: parse, call `submissions`, render."""
