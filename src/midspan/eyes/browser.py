"""The live page inside a notebook: a frame that finds the page by the way that the notebook itself came.

A notebook may be looked at from another machine. So the frame asks the Jupyter server first (jupyter-server-proxy), and
takes the address on this machine where that does not lead to the page.
"""

from __future__ import annotations

from html import escape

from midspan.arguments import checked
from midspan.bench.page import Page
from midspan.eyes.palette import INK, LINE, SANS

HEIGHT_PX = 620
FIND = """(async () => {
  const frame = document.getElementById("%(id)s");
  const config = document.getElementById("jupyter-config-data");
  const proxied = config && JSON.parse(config.textContent).baseUrl + "%(proxied)s";
  const good = answer => answer.ok || answer.type === "opaque";
  const answers = (address, how) => fetch(address, how).then(good, () => false);
  const found = proxied && await answers(proxied) ? proxied : await answers("%(url)s", {mode: "no-cors"}) && "%(url)s";
  if (found) { frame.removeAttribute("srcdoc"); frame.src = found; }
})()"""
EMPTY = "<p style='font-family:sans-serif;color:gray'>The page opens here when the cell has run on your machine.</p>"


@checked
def browser(page: Page) -> str:
    """A frame with the page, and its words and address below.

    Raises:
        Refusal: not a page.
    """
    name = f"midspan-page-{page.port}"
    script = FIND % {"id": name, "proxied": page.proxied, "url": page.url}
    box = f"width:100%;height:{HEIGHT_PX}px;border:1px solid {LINE}"
    frame = f'<iframe id="{name}" title="the live page" style="{box}" srcdoc="{EMPTY}">'
    link = f'<a href="{page.url}" target="_blank" rel="noreferrer">in a tab of its own</a>'
    words = "<br>".join(escape(line) for line in str(page).splitlines())
    style = f"font-family:{SANS};font-size:13px;color:{INK}"
    return f'<div style="{style}">{frame}</iframe><div>{words} {link}</div><script>{script}</script></div>'
