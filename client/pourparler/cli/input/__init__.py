"""What a command takes in: drafts by option, and files to import."""
