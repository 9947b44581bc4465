"""What else a team could choose, each set up as its own documents say: see contestants.py."""
