"""transcoded: the live transcoding daemon that never leaks a transcoder."""
