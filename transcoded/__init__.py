"""transcoded: the live transcoding daemon that never leaks a transcoder.

To embed it, make a `Transcoded` from your reactor and `Settings`, have it be a child of your service, and mount its
`resource()`: docs/embedding.md.
"""

from transcoded.config import Settings, SettingsError
from transcoded.plan.endings import Ending, Reason
from transcoded.service import Transcoded

__all__ = ["Ending", "Reason", "Settings", "SettingsError", "Transcoded"]
