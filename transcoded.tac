"""For `twistd -y transcoded.tac`: settings come from TRANSCODED_… variables and the file that TRANSCODED_CONFIG names."""

from transcoded.tap import application as _application

application = _application()
