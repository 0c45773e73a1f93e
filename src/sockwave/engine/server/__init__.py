"""Engine.IO on a server: HTTP rules, transports, and the native listener."""
