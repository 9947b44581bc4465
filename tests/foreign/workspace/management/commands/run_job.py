from django.core.management.base import BaseCommand

import realtime
from workspace.models import Job


class Command(BaseCommand):
    help = "Work a job off, telling its owner how far it is."

    def add_arguments(self, parser):
        parser.add_argument("pk", type=int)

    def handle(self, pk, **options):
        job = Job.objects.get(pk=pk)
        for done in range(job.done + 1, job.total + 1):
            realtime.publish(
                to=job,
                type="progress",
                data={"done": done, "total": job.total},
                latest="progress",  # of what was told before, nobody needs to hear any more
            )
        job.done = job.total
        job.save()
        realtime.publish(to=job.owner, type="finished", data={"job": job.pk, "name": job.name})
