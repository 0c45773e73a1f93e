"""`sockwave bench`: how a server of the user's own does with many clients."""
