"""Pictures, tables and cards: HTML, SVG, pandas and matplotlib stay in this folder.

Read `svg` first, the elements that all pictures are made of. `outputs` says what a notebook shows for each kind of
record, and `display` registers that with IPython. The rest is a module for each kind of picture.
"""
