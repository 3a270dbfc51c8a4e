"""Pictures, tables and cards: HTML, SVG, pandas and matplotlib stay in this folder.

In this order:

1. `svg`: the elements that all pictures are made of, and one colour for each protocol.
2. `display`: registers with IPython which function shows which type; `outputs` holds most of these functions.
3. `cards`: results of checks, hints and predictions.
4. `ladders` (an exchange), `runs` (a simulated run), `frames` (one frame, bit by bit), `scenes` (clients and servers).
5. `tables` (the guarantee matrix, an exchange as rows), `costs` (bars, and the files of `make bench`).
"""
