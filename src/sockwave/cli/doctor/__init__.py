"""`sockwave doctor`: what is between clients and a server, and which line of a proxy to change.

It speaks the wire by itself, on a TCP connection for each request, so that what a proxy does to one
is seen as it is: no client of ours or of others retries, upgrades or hides anything.
`examining.py` has the order of the checks; each `*_checks.py` looks at one subject, and makes
findings; what they mean, and what to do, is in `advice.py`.
"""
