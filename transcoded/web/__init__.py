"""Speak HTTP: Klein routes, errors as responses, authentication and the web page."""
