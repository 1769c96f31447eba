"""Commands that work on this machine: a service, a witness, keys and maintenance."""
