"""What is measured: a module for each question, a function that answers it for a running site."""
