"""How properties are tried here: as often as it takes, however slow the machine."""

from hypothesis import settings

settings.register_profile("sandbox", deadline=None)
settings.load_profile("sandbox")
