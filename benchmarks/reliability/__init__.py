"""What it takes to disturb the server, measured: `python -m benchmarks.reliability [NAME ...]`."""
