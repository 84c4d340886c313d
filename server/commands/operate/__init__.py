"""Commands for the operator of a server: demo, serve, worker, doctor, accounts, phases."""
