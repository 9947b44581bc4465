"""Static files for production: each with a hash of its content in its name, and compressed."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage

# The types of files worth compressing; pictures and fonts are compressed already.
COMPRESSED = {".css", ".js", ".json", ".map", ".svg", ".txt"}
# Smaller files aren't compressed: the response's headers are longer than they are.
LEAST_BYTES = 500


class HashedStaticFiles(ManifestStaticFilesStorage):
    """Changes the imports of modules to hashed names as well, so that all can be cached for ever.

    Beside each hashed file it writes one that ends in `.gz`, for servers such as nginx with
    `gzip_static on`.
    """

    support_js_module_import_aggregation = True
    # Names are hashed from the inner modules outwards, one level of imports each time.
    max_post_process_passes = 12

    def post_process(
        self, paths: dict[str, Any], dry_run: bool = False, **options: Any
    ) -> Iterator[Any]:
        for name, hashed, processed in super().post_process(paths, dry_run, **options):
            if hashed and not dry_run and not isinstance(processed, Exception):
                compress(Path(self.path(hashed)))
            yield name, hashed, processed


def compress(path: Path) -> None:
    """Write a compressed copy beside the file, with the same bytes each time."""
    if path.suffix not in COMPRESSED:
        return
    content = path.read_bytes()
    if len(content) >= LEAST_BYTES:
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(content, mtime=0))
