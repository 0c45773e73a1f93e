"""What clusters cost by carrier: measured, put into constants, and reckoned with."""
