"""django-tenants: a schema for each tenant, with users of its own, who are told what is theirs."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from httpx_sse import connect_sse

from tests.tiers import needs

from .recipes import ROOT, Project, blocks
from .test_recipes import PAGE_SECONDS, empty_database, serving

pytestmark = [pytest.mark.usefixtures("projects"), needs("django_tenants")]

SETTINGS = """
ORIGINAL_BACKEND = "realtime.postgres.embedded"
DATABASES["default"]["ENGINE"] = "django_tenants.postgresql_backend"
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
SHARED_APPS = ["django_tenants", "customers", "realtime", "django.contrib.contenttypes"]
TENANT_APPS = [app for app in INSTALLED_APPS if app != "realtime"]
INSTALLED_APPS = list(dict.fromkeys([*SHARED_APPS, *TENANT_APPS]))
MIDDLEWARE = ["django_tenants.middleware.main.TenantMainMiddleware", *MIDDLEWARE]
TENANT_MODEL = "customers.Customer"
TENANT_DOMAIN_MODEL = "customers.Domain"
"""
# Alice of Acme and Gina of Globex are user 1 each, and have document 1.
PEOPLE = """
from customers.models import Customer, Domain
from django_tenants.utils import tenant_context
for name, person in (("acme", "alice"), ("globex", "gina")):
    customer = Customer(schema_name=name)
    customer.save()
    Domain.objects.create(domain=f"{name}.localhost", tenant=customer, is_primary=True)
    with tenant_context(customer):
        from django.contrib.auth import get_user_model
        from documents.models import Document
        user = get_user_model().objects.create_user(person)
        document = Document.objects.create(owner=user, title="Plan", body="First draft")
        assert user.pk == document.pk == 1
"""
SIGN_IN = """
from customers.models import Customer
from django_tenants.utils import tenant_context
with tenant_context(Customer.objects.get(schema_name={name!r})):
    from django.contrib.auth import get_user_model
    from django.test import Client
    client = Client()
    client.force_login(get_user_model().objects.get())
    print(client.session.session_key)
"""
WRITE = """
from customers.models import Customer
from django_tenants.utils import tenant_context
with tenant_context(Customer.objects.get(schema_name={name!r})):
    from documents.models import Document, write
    write(Document.objects.get(), {body!r})
"""


@pytest.fixture
def project(django_db_setup, django_db_blocker, tmp_path) -> Iterator[Project]:
    with django_db_blocker.unblock(), empty_database() as name:
        yield with_tenants(Project(tmp_path / "mysite", name))


def with_tenants(project: Project) -> Project:
    """The project with two tenants, after the quickstart and the how-to."""
    shutil.copytree(ROOT / "tests/docs/customers", project.folder / "customers")
    for block in [*blocks("quickstart.md"), *blocks("howto/django-tenants.md")]:
        if block.path is not None and block.path not in ("mysite/settings.py",):
            project.write(block)
    project.add("mysite/settings.py", "INSTALLED_APPS += ['realtime']\n" + SETTINGS)
    for block in blocks("howto/django-tenants.md"):
        if block.path == "mysite/settings.py":
            project.write(block)
    project.add("mysite/settings.py", "REALTIME['ACCESS_CHECK_SECONDS'] = 1\n")
    project.run("python manage.py makemigrations -v 0 customers")
    project.run("python manage.py migrate_schemas -v 0 --shared")
    project.shell(PEOPLE)
    return project


@contextmanager
def following(project: Project, url: str, name: str):
    """The events that the user of a tenant is told of its document."""
    key = project.shell(SIGN_IN.format(name=name)).strip()
    headers = {"Host": f"{name}.localhost", "Cookie": f"sessionid={key}"}
    with (
        httpx.Client(base_url=url, headers=headers, timeout=PAGE_SECONDS) as client,
        connect_sse(client, "GET", "/documents/1/live") as source,
    ):
        blocks_heard = source.iter_sse()
        next(blocks_heard)
        yield (block.data for block in blocks_heard if block.data)


def test_each_tenant_is_told_what_is_its_own(project):
    with (
        serving(project, "uvicorn mysite.asgi:application") as url,
        following(project, url, "acme") as acme,
        following(project, url, "globex") as globex,
    ):
        project.shell(WRITE.format(name="acme", body="Acme's"))
        project.shell(WRITE.format(name="globex", body="Globex'"))
        assert "Acme" in next(acme)
        assert "Globex" in next(globex)
        # Access is looked at every second, for each in its own schema.
        time.sleep(3)
        project.shell(WRITE.format(name="globex", body="Still there"))
        assert "Still there" in next(globex)
