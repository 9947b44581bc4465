"""What a second server process adds: the same load on each, on one database."""

from typing import NamedTuple

from ..site import Ours
from ..streams import Streams
from .delivery import LATE_SECONDS


class Processes(NamedTuple):
    """deliveries_per_cpu_second: how many each second of their CPU is good for. Twice that of two
    processes over that of one is what the second adds, when each has a core to itself."""

    processes: int
    streams: int
    arrived: int
    lost: int
    deliveries_per_second: float
    deliveries_per_cpu_second: float
    p99_ms: float


def measure(
    sites: list[Ours], programs: list[Streams], streams: int, per_second: float, seconds: float
) -> Processes:
    """So many whole streams on each of the sites; one program has its streams on one site."""
    for site, program in zip(sites, programs, strict=True):
        program.open(site.requests(streams))
    for program in programs:
        program.report()
    busy = sum(site.process.cpu_seconds for site in sites)
    published = sites[0].publish(per_second, seconds)
    expected = published.events * streams
    received = [program.wait_for(expected, LATE_SECONDS) for program in programs]
    busy = sum(site.process.cpu_seconds for site in sites) - busy
    arrived = sum(each.events for each in received)
    for program in programs:
        program.close()
    return Processes(
        processes=len(sites),
        streams=streams * len(sites),
        arrived=arrived,
        lost=expected * len(sites) - arrived,
        deliveries_per_second=arrived / max(each.seconds_to_last for each in received),
        deliveries_per_cpu_second=arrived / busy,
        p99_ms=max(each.p99_ms for each in received),
    )
