"""Static files under names that tell their contents, for production."""

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage


class HashedStaticFiles(ManifestStaticFilesStorage):
    """Scripts import one another by such names too: a page never mixes old ones and new ones."""

    support_js_module_import_aggregation = True
