"""Among servers of python-socketio: their messages, their channel on Redis, and the adapter."""
