"""Makes `transcoded` a command of `twist` and `twistd`."""

from twisted.application.service import ServiceMaker

service = ServiceMaker(
    "transcoded", "transcoded.tap", "Transcode media files live, and never leak a transcoder.", "transcoded"
)
