"""Commands for whoever runs a server: demo, serve, worker, doctor, accounts, phases."""
