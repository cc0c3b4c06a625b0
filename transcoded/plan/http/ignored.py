"""Query parameters that players and what is around them append to any URL. They mean nothing here, and no request may fail for them.

They are listed, and every other unknown parameter is an error, so that a misspelled one is noticed. A parameter that a route has
is its own, whatever it is called. Names are compared without regard to case.

* `CMCD`: Common Media Client Data (CTA-5004), from hls.js, dash.js, Shaka Player, ExoPlayer.
* `_HLS_…`: delivery directives of HLS (RFC 8216bis, section 6.2.5) and of content steering, from AVPlayer and hls.js.
* `mimetype`, `mediaPlayerId`, `playMode`, `DLNA.ORG_…`, `MSWMExt`: DLNA renderers, televisions, Windows Media Player.
* `_`, `nocache`, `cachebust`, `cachebuster`: scripts that want no cached answer, such as those of jQuery.
* `utm_…`, `fbclid`, `gclid`: what sites add to links.
"""

_NAMES = frozenset(
    (
        "cmcd mimetype mediaplayerid playmode mswmext dlna _ nocache no_cache cachebust cache_bust cachebuster fbclid gclid"
    ).split()
)
_PREFIXES = ("_hls_", "dlna.org_", "dlna_", "utm_")


def is_ignored(name: str) -> bool:
    """Whether a parameter of this name is ignored by routes that do not have it."""
    folded = name.lower()
    return folded in _NAMES or folded.startswith(_PREFIXES)
