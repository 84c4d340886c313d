"""Creating the zoo store that the settings describe."""

from model_zoo.store import ZooStore
from submissions.settings import Settings


def make_zoo_store(settings: Settings) -> ZooStore:
    """Return the zoo store of these settings. Nothing is opened or created yet."""
    return ZooStore(
        settings.effective_store_url,
        settings.zoo_cache,
        settings.zoo_cache_bytes,
        endpoint=settings.store_endpoint,
    )
