"""Tables, migrations, states and the audit: what the rest of the domain stands on."""
