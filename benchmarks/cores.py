"""Who runs where: the server has one core to itself, all the rest share the others."""

import os
from typing import NamedTuple


class Cores(NamedTuple):
    all: frozenset[int]
    server: frozenset[int]
    load: frozenset[int]

    @classmethod
    def of_this_machine(cls) -> "Cores":
        usable = sorted(os.sched_getaffinity(0))
        if len(usable) < 2:
            raise SystemExit("The benchmark needs two cores: one for the server, one for the load.")
        return cls(frozenset(usable), frozenset(usable[:1]), frozenset(usable[1:]))
