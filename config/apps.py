from django.apps import AppConfig
from django.core.checks import Tags, register


class SiteConfig(AppConfig):
    name = "config"
    verbose_name = "This site"

    def ready(self) -> None:
        from axes.signals import user_locked_out

        from .checks import check_demo_accounts
        from .sign_in import tell_django

        user_locked_out.connect(tell_django, dispatch_uid="config.sign_in")
        register(check_demo_accounts, Tags.security, deploy=True)
