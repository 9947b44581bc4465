"""The addresses of imports and exports, below /orders/transfers/."""

from django.urls import path

from . import views

urlpatterns = [
    path("", views.transfers, name="transfers"),
    path("import/", views.start_import, name="transfer_import"),
    path("export/", views.start_export, name="transfer_export"),
    path("<int:pk>/cancel/", views.cancel, name="transfer_cancel"),
    path("<int:pk>/file/", views.download, name="transfer_file"),
]
