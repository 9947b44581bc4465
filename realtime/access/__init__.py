"""Who may read: who is asking, what that rests on, and what ends it."""
