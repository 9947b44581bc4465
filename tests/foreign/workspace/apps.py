from django.apps import AppConfig

import realtime


class WorkspaceConfig(AppConfig):
    name = "workspace"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self):
        # Whoever was taken out of a team, or of a document's readers, may no longer follow it.
        realtime.recheck_when_changed(self.get_model("Team").members)
        realtime.recheck_when_changed(self.get_model("Document").readers)
