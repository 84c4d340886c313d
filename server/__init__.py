"""The Flask app, its pages and API, and the command line. Thin: it parses, calls `submissions`, renders."""
