"""Clusters whose events go through a log that all read: what is the same whoever keeps the log."""
