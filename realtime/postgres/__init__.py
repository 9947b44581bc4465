"""PostgreSQL: connections outside Django's, deadlines, LISTEN."""
