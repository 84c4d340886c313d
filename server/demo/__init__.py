"""`gengap demo`: a small, real competition on this machine, with its web server and worker as children."""
