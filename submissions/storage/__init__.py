"""Tables, migrations, states and the audit log, on which the rest of the domain is built."""
