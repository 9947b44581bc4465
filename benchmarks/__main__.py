"""python -m benchmarks quick | full | ours [--only …]"""

import argparse
import os
import resource

from . import database
from .cores import Cores


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("plan", choices=["quick", "full", "ours"])
    parser.add_argument("--only", default="", help="of `ours`: these, separated by commas")
    parser.add_argument("--server", default="daphne", choices=["daphne", "uvicorn"])
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--idle-streams", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=4)
    options = parser.parse_args()

    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    cores = Cores.of_this_machine()
    os.sched_setaffinity(0, cores.load)
    with database.new_database(cores.load) as ours_database:
        from . import django_site

        django_site.set_up(ours_database)
        from . import quick_look

        quick_look.run(ours_database, cores, options)


if __name__ == "__main__":
    main()
