from django.conf import settings
from django.db import models
from django.urls import reverse


class Team(models.Model):
    name = models.CharField(max_length=100)
    members = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="teams")

    def __str__(self):
        return self.name


class DocumentQuerySet(models.QuerySet):
    def visible_to(self, user):
        return self.filter(
            models.Q(team__members=user) | models.Q(pk__in=user.documents.values("pk"))
        ).distinct()


class Document(models.Model):
    team = models.ForeignKey(Team, models.CASCADE, related_name="documents")
    title = models.CharField(max_length=100)
    body = models.TextField(blank=True)
    readers = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="documents", blank=True)

    objects = DocumentQuerySet.as_manager()

    def __str__(self):
        return self.title

    def get_absolute_url(self):
        return reverse("document", args=[self.pk])


class Comment(models.Model):
    document = models.ForeignKey(Document, models.CASCADE, related_name="comments")
    text = models.TextField()

    def __str__(self):
        return self.text


class Job(models.Model):
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="jobs")
    name = models.CharField(max_length=100)
    total = models.PositiveIntegerField()
    done = models.PositiveIntegerField(default=0)

    def __str__(self):
        return self.name


class News(models.Model):
    text = models.CharField(max_length=200)

    class Meta:
        verbose_name_plural = "news"

    def __str__(self):
        return self.text
