"""Access: who the client is, what they may read, and what ends that."""
