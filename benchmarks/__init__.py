"""The benchmark: `python -m benchmarks quick`. See README.md beside this file for the method."""
