"""What the server and the client do alike with an event loop and a TCP connection."""
