"""How properties are tried here: as often as it takes, however slow the machine."""

from hypothesis import settings

settings.register_profile("webhooks", deadline=None)
settings.load_profile("webhooks")
