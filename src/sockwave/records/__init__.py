"""Why did this client drop? Records of connections, and one sentence for each; see docs/why.md."""
