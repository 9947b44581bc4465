from django.contrib import admin

from .models import Document, Job, News, Team

admin.site.register([Document, Job, News, Team])
