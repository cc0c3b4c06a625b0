"""Live streams: admitted, registered, watched, ended, remembered."""
