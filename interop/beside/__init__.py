"""The same actions, byte for byte, to the reference and to this server, and what each made of them.

`scripts.py` makes actions from a seed, `player.py` plays them, `servers.py` has the two servers,
`decided.py` the differences that stay, `compare.py` finds the others. To play many:

    python -m interop.beside --scripts 10000 --seed 1
"""
