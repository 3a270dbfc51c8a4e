"""Sockets, TLS and processes: servers, proxies that see or disturb what passes, the broker, nodes.

Read `servers` and `taps` first: what chapter 00 opens. `fault_proxy` with `faults` disturbs a link.
`balancers`, `tcp`, `brokers` and `child_process` make a cluster. Importing this folder makes this Python keep
asyncio's promises
about closed transports (`asyncio_fixes`).
"""

from midspan.net.asyncio_fixes import keep

keep()
