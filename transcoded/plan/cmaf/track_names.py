"""Language tags (BCP 47, RFC 5646) and unique names of the streams in playlists and manifests."""

import re
from collections.abc import Sequence

from transcoded.plan.media.probe import AudioStream, SubtitleStream

_TAG = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]+")

# RFC 5646, section 2.2.1: the shortest code of a language must be used. Files contain ISO 639-2 codes of both kinds (B
# and T).
_PAIRS = (
    "alb=sq ara=ar arm=hy baq=eu ben=bn bos=bs bul=bg bur=my cat=ca ces=cs chi=zh cym=cy cze=cs dan=da deu=de dut=nl "
    "ell=el eng=en est=et eus=eu fas=fa fin=fi fra=fr fre=fr geo=ka ger=de gle=ga glg=gl gre=el heb=he hin=hi hrv=hr "
    "hun=hu hye=hy ice=is ind=id isl=is ita=it jpn=ja kat=ka kor=ko lav=lv lit=lt mac=mk mao=mi may=ms mkd=mk mri=mi "
    "msa=ms mya=my nld=nl nno=nn nob=nb nor=no per=fa pol=pl por=pt ron=ro rum=ro rus=ru slk=sk slo=sk slv=sl spa=es "
    "sqi=sq srp=sr swe=sv tam=ta tel=te tha=th tur=tr ukr=uk urd=ur vie=vi wel=cy zho=zh"
)
_SHORT = {pair[:3]: pair[4:] for pair in _PAIRS.split()}


def language_tag(language: str | None) -> str | None:
    """The BCP 47 tag for the language code of a file. None if it is missing, not valid, or not of one language."""
    if language is None or not _TAG.fullmatch(language) or language.lower() in {"und", "zxx", "mis", "mul"}:
        return None
    first, *rest = language.split("-")
    return "-".join((_SHORT.get(first.lower(), first.lower()), *rest))


def names(streams: Sequence[AudioStream | SubtitleStream], kind: str) -> list[str]:
    """A unique name for each stream: its title, else its language tag, else `kind` and a number."""
    taken: set[str] = set()
    found: list[str] = []
    for number, stream in enumerate(streams, 1):
        wanted = clean(stream.title or "") or language_tag(stream.language) or f"{kind} {number}"
        name, again = wanted, 2
        while name in taken:
            name, again = f"{wanted} ({again})", again + 1
        taken.add(name)
        found.append(name)
    return found


def clean(text: str) -> str:
    """At most 200 characters of a text.

    Control characters and line breaks, which a playlist and XML cannot contain, become spaces.
    """
    return _CONTROL.sub(" ", text).strip()[:200]
