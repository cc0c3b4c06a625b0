"""transcoded: the live transcoding daemon that never leaks a transcoder.

To embed it, create a `Transcoded` with your reactor and `Settings`, make it a child of your service, and mount its
`resource()`. See docs/embedding.md.
"""

from transcoded.config import Settings, SettingsError
from transcoded.plan.endings import Ending, Reason
from transcoded.service import Transcoded

__all__ = ["Ending", "Reason", "Settings", "SettingsError", "Transcoded"]
