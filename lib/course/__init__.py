"""What only `make` runs: set-up, commands, scoreboard, editions."""
