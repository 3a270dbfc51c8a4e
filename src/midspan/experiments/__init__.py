"""What the chapters measure: servers in the kernel, clusters, disconnections, byte ledgers, the guarantee matrix.

In this order:

1. `bench`: opens the two servers with a tap in front of each, and says at the end what was left open.
2. `conversations` and `byte_ledgers`: real libraries talk through a tap; where their bytes go.
3. `disconnection`: when clients notice a cut, what they buffer, what is lost.
4. `on_trial` (which implementations are compared) and `guarantee_matrix` (guarantee x implementation x fault).
5. `clusters`, `cluster_clients`, `rooms`: several nodes in processes of their own, behind a balancer.
6. `page`: a page for a browser, beside what the tap sees of it.
"""
