"""What the chapters measure: servers in the kernel, clusters, disconnections, byte ledgers, the guarantee matrix.

Read `bench` first: it opens the two servers with a tap in front of each. `conversations`, `byte_ledgers` and
`disconnection` use it. `clusters` and `cluster_clients` start nodes in processes of their own.
`guarantee_matrix` judges each of the implementations that `on_trial` lists.
"""
