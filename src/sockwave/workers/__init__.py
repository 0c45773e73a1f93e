"""Several processes of one program behind one port of one machine."""
