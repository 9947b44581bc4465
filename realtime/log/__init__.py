"""The event log: publishing, numbering, reading, the wire, retention."""
