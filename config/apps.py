from django.apps import AppConfig
from django.core.checks import Tags, register


class SiteConfig(AppConfig):
    name = "config"
    verbose_name = "This site"

    def ready(self) -> None:
        from .checks import check_demo_accounts

        register(check_demo_accounts, Tags.security, deploy=True)
