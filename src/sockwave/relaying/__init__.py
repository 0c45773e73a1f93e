"""Requests that come to another machine than that of their session, over the carrier of the cluster
(docs/scaling.md)."""
