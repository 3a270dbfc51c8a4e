"""Pictures and tables of what was seen. HTML, SVG, pandas and matplotlib stay in this layer."""
