"""Development look at our own server."""

import functools

from . import people, placing
from .measurements import connecting, delivery, idle
from .site import ours
from .streams import streams_to


def run(database, cores, options):
    only = set(filter(None, options.only.split(",")))

    def wanted(name):
        return not only or name in only

    with (
        ours(database, options.server, cores.server) as site,
        streams_to(site.port, cores.load) as streams,
    ):
        if wanted("connect"):
            for _ in range(3):
                found = connecting.measure(site, streams, options.streams)
                print("connect", round(found.per_second), "streams/s", found, flush=True)
        if wanted("idle"):
            print(
                "idle",
                idle.measure(site, streams, options.idle_streams, cpu_seconds=30),
                flush=True,
            )

    def show(d):
        print(
            f"  {d.per_second:8.1f}/s: {d.deliveries_per_second:10.0f} deliveries/s p50 {d.p50_ms:.1f} p95 {d.p95_ms:.1f} p99 {d.p99_ms:.1f} max {d.slowest_ms:.1f} lost {d.lost} doubled {d.doubled} hung up {d.hung_up} behind {d.publisher_behind} server {d.server_percent:.0f}% load {d.load_percent:.0f}% {d.events_a_read:.1f} events/read",
            flush=True,
        )

    with (
        ours(database, options.server, cores.server) as site,
        streams_to(site.port, cores.load) as streams,
    ):
        if wanted("ten") or wanted("broadcast"):
            streams.open(site.requests(options.streams))
        if wanted("ten"):
            print("10/s")
            show(delivery.measure(site, streams, 10, options.seconds, readers=options.streams))
        if wanted("broadcast"):
            print("broadcast")
            delivery.highest(
                lambda rate: delivery.measure(
                    site, streams, rate, options.seconds, readers=options.streams
                ),
                100,
                say=show,
            )
        if wanted("customers"):
            print("customers")
            users = people.customers(options.streams)
            streams.open(people.own_streams(users))
            for rate in (500, 1500, 3000):
                show(
                    delivery.measure(
                        site,
                        streams,
                        rate,
                        options.seconds,
                        readers=1,
                        publish=functools.partial(placing.place, customers=users),
                    )
                )
