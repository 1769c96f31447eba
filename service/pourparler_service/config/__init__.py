"""The settings of the service: file, environment and addresses."""
