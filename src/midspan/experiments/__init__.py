"""What the chapters measure: servers in the kernel, clusters, disconnections, byte ledgers, the guarantee matrix.

In this order:

1. `bench`: opens the two servers with a tap in front of each, and reports at the end what was left open.
2. `conversations` and `byte_ledgers`: conversations of real libraries through a tap, and what their bytes are for.
3. `disconnection`: when clients notice a cut, what they buffer, and what is lost.
4. `on_trial` (which implementations are compared) and `guarantee_matrix` (guarantee x implementation x fault).
5. `clusters`, `cluster_clients`: several nodes in processes of their own, behind a balancer.
6. `page`: a page for a browser, with what the tap sees of it.
"""
