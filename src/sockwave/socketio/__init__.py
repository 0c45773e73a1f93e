"""Socket.IO on top of Engine.IO sessions."""
