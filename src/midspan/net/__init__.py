"""Sockets, TLS and processes: servers, proxies that see or disturb what passes, the broker, nodes.

Read `servers` and `taps` first: what chapter 00 opens. `fault_proxy` with `faults` disturbs a link.
`balancers`, `tcp`, `brokers` and `child_process` make a cluster. Importing this folder makes this Python keep
asyncio's promises
about closed transports (`background_loop`).
"""

from midspan.net.background_loop import fix_closed_transports

fix_closed_transports()
