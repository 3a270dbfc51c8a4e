"""The implementations on trial, each as short and as honest as the code that people write.

All play the same part: what a client says goes into the server's log and to every client. What happens to it when the
link fails is what the guarantee matrix measures.
"""

from midspan.bench.contenders.contender import CONTENDERS, Contender, named

__all__ = ["CONTENDERS", "Contender", "named"]
