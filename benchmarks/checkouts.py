"""Checkouts through the ORM, in a process of their own: `python -m benchmarks.checkouts`.

Each of several threads saves an order over a connection of its own. Says “ready”, waits for a line,
saves orders in all threads at once, and prints how many milliseconds each took, as a list.
"""

import argparse
import json
import random
import sys
import threading
import time

import django


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--per-second", type=float, help="of this process; else no limit")
    parser.add_argument("--unpublished", action="store_true", help="orders without their events")
    options = parser.parse_args()
    django.setup()
    from django.db import connection

    from . import people, placing

    if options.unpublished:
        stop_publishing()

    customers = people.customers(100)
    taken: list[float] = []
    go = threading.Event()
    ready = threading.Barrier(options.threads + 1)

    def check_out() -> None:
        # What a connection does once (plans, compiles, reads the catalogs) is not what is measured.
        placing.order(random.choice(customers)).save()
        ready.wait()
        go.wait()
        began = time.monotonic()
        pause = options.threads / options.per_second if options.per_second else 0
        due = began + random.uniform(0, pause)
        while due < began + options.seconds and time.monotonic() < began + options.seconds:
            time.sleep(max(0, due - time.monotonic()))
            start = time.perf_counter()
            placing.order(random.choice(customers)).save()
            taken.append((time.perf_counter() - start) * 1000)
            due += pause
        connection.close()

    threads = [threading.Thread(target=check_out) for _ in range(options.threads)]
    for thread in threads:
        thread.start()
    ready.wait()
    print("ready", flush=True)
    sys.stdin.readline()
    go.set()
    for thread in threads:
        thread.join()
    print(json.dumps([round(milliseconds, 3) for milliseconds in taken]), flush=True)


def stop_publishing() -> None:
    from django.db.models.signals import post_save

    from orders.models import Order

    if not post_save.disconnect(sender=Order, dispatch_uid="orders.publish_order"):
        raise RuntimeError("Orders are published by other means now: checkouts.py has to follow.")


if __name__ == "__main__":
    main()
