from django.conf import settings
from django.db import models


class Document(models.Model):
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    title = models.CharField(max_length=100)
    body = models.TextField(blank=True)

    def __str__(self):
        return self.title


class Comment(models.Model):
    document = models.ForeignKey(Document, models.CASCADE, related_name="comments")
    text = models.TextField()

    def __str__(self):
        return self.text
