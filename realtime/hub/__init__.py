"""One process: what it hears of the event log, and the streams that it has open."""
