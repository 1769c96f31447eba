"""Input of commands: drafts from options, and files to import."""
