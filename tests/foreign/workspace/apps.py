from django.apps import AppConfig

import realtime


class WorkspaceConfig(AppConfig):
    name = "workspace"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self):
        # Whoever was taken out of a team may no longer follow its documents.
        realtime.recheck_when_changed(self.get_model("Team").members)
