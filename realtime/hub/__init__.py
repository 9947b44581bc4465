"""One process: it follows the event log, and holds the open streams."""
