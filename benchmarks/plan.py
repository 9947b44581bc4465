"""What a run measures, and how long it takes for it."""

from dataclasses import dataclass

OURS = ("ours-daphne", "ours-uvicorn")
PARTS = ("crowd", "idle", "customers", "storm", "checkout", "log", "processes")


@dataclass(frozen=True)
class Plan:
    name: str
    sites: tuple[str, ...]
    parts: tuple[str, ...] = PARTS
    rounds: int = 3
    # The crowd: streams that all get everything, and seconds at each rate.
    streams: int = 1000
    seconds: float = 4
    calm_seconds: float = 10
    idle_streams: int = 5000
    idle_seconds: float = 30
    customers: int = 1000
    customer_rates: tuple[int, ...] = (500, 3000)
    missed: int = 100
    checkout_seconds: float = 8
    checkout_rates: tuple[int | None, ...] = (None, 100)
    lone_rates: tuple[int | None, ...] = (None, 20)
    disks: tuple[int, ...] = (0, 1)  # milliseconds by which a commit is slowed down
    log_events: tuple[int, ...] = (10_000, 10_000_000)
    together_per_second: int = 20


PLANS = {
    plan.name: plan
    for plan in (
        Plan(
            "quick",
            sites=("ours-daphne", "nchan", "bare-django-daphne"),
            parts=("crowd", "idle", "customers", "storm", "checkout"),
            rounds=1,
            seconds=1.5,
            calm_seconds=3,
            idle_seconds=5,
            checkout_seconds=3,
            checkout_rates=(None,),
            disks=(0,),
        ),
        Plan(
            "full",
            sites=(
                *OURS,
                "nchan",
                "bare-django-daphne",
                "bare-django-uvicorn",
                "sse-starlette",
                "django-eventstream",
            ),
        ),
        # For the tests: that everything still runs, not how fast.
        Plan(
            "tiny",
            sites=("ours-daphne", "bare-django-daphne"),
            rounds=1,
            streams=20,
            seconds=0.3,
            calm_seconds=0.5,
            idle_streams=25,
            idle_seconds=0.2,
            customers=20,
            customer_rates=(50,),
            missed=10,
            checkout_seconds=1,
            checkout_rates=(None,),
            lone_rates=(None,),
            disks=(0,),
            log_events=(10_000,),
            together_per_second=50,
        ),
    )
}
