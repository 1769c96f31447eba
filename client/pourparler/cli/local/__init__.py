"""What a command does on this machine: a service, a witness, keys and maintenance."""
