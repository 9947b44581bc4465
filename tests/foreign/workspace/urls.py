from django.urls import path

from . import streams, views

urlpatterns = [
    path("", views.desk, name="desk"),
    path("live", streams.DeskStream.as_view(), name="desk_live"),
    path("documents/<int:pk>/", views.document, name="document"),
    path("documents/<int:pk>/live", streams.DocumentStream.as_view(), name="document_live"),
    path("documents/<int:pk>/share/", views.share_document, name="share_document"),
    path("documents/<int:pk>/comments/<str:library>/", views.comments, name="comments"),
    path(
        "documents/<int:pk>/comments/<str:library>/live",
        streams.CommentStream.as_view(),
        name="comments_live",
    ),
    path("jobs/<int:pk>/", views.job, name="job"),
    path("jobs/<int:pk>/live", streams.JobStream.as_view(), name="job_live"),
    path("news/", views.news, name="news"),
    path("news/live", streams.NewsStream.as_view(), name="news_live"),
]
