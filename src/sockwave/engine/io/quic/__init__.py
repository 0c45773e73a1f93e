"""What both sides do alike with `aioquic`; nothing of it is imported unless it is used."""
