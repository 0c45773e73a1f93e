"""Clusters on PostgreSQL, together with servers in JavaScript."""
