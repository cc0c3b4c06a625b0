"""Languages as people and files name them: codes of ISO 639, tags, and names in English and in the language itself.

The answer is always a BCP 47 tag (RFC 5646) with the shortest code of the language, as section 2.2.1 requires.
"""

import re
from collections.abc import Mapping
from unicodedata import normalize

# Each line: the code of ISO 639-1, the codes of ISO 639-2 (B and T), then names, with `_` for a space.
_TABLE = """
aa aar afar
ab abk abkhazian
ae ave avestan
af afr afrikaans
ak aka akan
am amh amharic
an arg aragonese
ar ara arabic العربية عربي
as asm assamese
av ava avaric
ay aym aymara
az aze azerbaijani azərbaycan
ba bak bashkir
be bel belarusian беларуская
bg bul bulgarian български
bi bis bislama
bm bam bambara
bn ben bengali bangla বাংলা
bo bod/tib tibetan
br bre breton
bs bos bosnian bosanski
ca cat catalan català catala
ce che chechen
ch cha chamorro
co cos corsican
cr cre cree
cs ces/cze czech čeština cesky český cestina
cv chv chuvash
cy cym/wel welsh cymraeg
da dan danish dansk
de deu/ger german deutsch
dv div dhivehi maldivian
dz dzo dzongkha
ee ewe ewe
el ell/gre greek ελληνικά ελληνικα
en eng english
eo epo esperanto
es spa spanish español espanol
et est estonian eesti
eu eus/baq basque euskara
fa fas/per persian farsi فارسی
ff ful fulah
fi fin finnish suomi
fj fij fijian
fo fao faroese føroyskt
fr fra/fre french français francais
fy fry frisian
ga gle irish gaeilge
gd gla gaelic
gl glg galician galego
gn grn guarani
gu guj gujarati
gv glv manx
ha hau hausa
he heb hebrew עברית
hi hin hindi हिन्दी
ho hmo hiri_motu
hr hrv croatian hrvatski
ht hat haitian
hu hun hungarian magyar
hy hye/arm armenian հայերեն
hz her herero
ia ina interlingua
id ind indonesian bahasa_indonesia
ig ibo igbo
ik ipk inupiaq
io ido ido
is isl/ice icelandic íslenska
it ita italian italiano
iu iku inuktitut
ja jpn japanese 日本語 日文
jv jav javanese
ka kat/geo georgian ქართული
kg kon kongo
kk kaz kazakh қазақ
kl kal greenlandic kalaallisut
km khm khmer
kn kan kannada
ko kor korean 한국어 韩文 韓文
ks kas kashmiri
ku kur kurdish
kv kom komi
kw cor cornish
ky kir kyrgyz
la lat latin
lb ltz luxembourgish
lg lug ganda
li lim limburgish
ln lin lingala
lo lao lao
lt lit lithuanian lietuvių
lv lav latvian latviešu
mg mlg malagasy
mh mah marshallese
mi mri/mao maori
mk mkd/mac macedonian македонски
ml mal malayalam
mn mon mongolian
mr mar marathi
ms msa/may malay bahasa_melayu
mt mlt maltese
my mya/bur burmese
na nau nauru
nb nob bokmål bokmal norwegian_bokmål norwegian_bokmal
nd nde north_ndebele
ne nep nepali
nl nld/dut dutch nederlands flemish vlaams
nn nno nynorsk norwegian_nynorsk
no nor norwegian norsk
nv nav navajo
ny nya chichewa
oc oci occitan
oj oji ojibwa
om orm oromo
or ori odia oriya
os oss ossetian
pa pan punjabi
pl pol polish polski
ps pus pashto
pt por portuguese português portugues
qu que quechua
rm roh romansh
rn run rundi
ro ron/rum romanian română romana
ru rus russian русский
rw kin kinyarwanda
sa san sanskrit
sd snd sindhi
se sme northern_sami
sg sag sango
si sin sinhala sinhalese
sk slk/slo slovak slovenčina
sl slv slovenian slovene slovenščina
sm smo samoan
sn sna shona
so som somali
sq sqi/alb albanian shqip
sr srp serbian српски srpski
ss ssw swati
st sot sotho
su sun sundanese
sv swe swedish svenska
sw swa swahili
ta tam tamil தமிழ்
te tel telugu తెలుగు
tg tgk tajik
th tha thai ไทย
ti tir tigrinya
tk tuk turkmen
tl tgl tagalog
tn tsn tswana
to ton tonga
tr tur turkish türkçe turkce
ts tso tsonga
tt tat tatar
tw twi twi
ty tah tahitian
ug uig uyghur
uk ukr ukrainian українська
ur urd urdu اردو
uz uzb uzbek
ve ven venda
vi vie vietnamese tiếng_việt
vo vol volapük
wa wln walloon
wo wol wolof
xh xho xhosa
yi yid yiddish
yo yor yoruba
za zha zhuang
zh zho/chi chinese 中文
zu zul zulu
fil fil filipino
haw haw hawaiian
yue yue cantonese 粵語 粤语
cmn cmn mandarin
gsw gsw swiss_german
nds nds low_german
ast ast asturian
sco sco scots
mul mul multiple_languages
und und
zxx zxx
"""

# What is in use beside the standards: regions and scripts in words, codes of sites for subtitles and of Chinese releases.
_OTHERS = """
pt-BR brazilian brazilian_portuguese portuguese_brazilian portuguese_brazil pob pb ptbr português_brasil
pt-PT european_portuguese portuguese_european portuguese_portugal
es-419 latin_american_spanish spanish_latin_american spanish_latin_america latin_spanish latino spl ea
es-ES castilian castellano european_spanish spanish_european spanish_spain
fr-CA canadian_french french_canadian french_canada québécois vff
zh-Hans simplified_chinese chinese_simplified chs zhs sc 简体中文 简体 简中 简 简英 chinesesimplified
zh-Hant traditional_chinese chinese_traditional cht zht tc 繁體中文 繁体中文 繁體 繁体 繁中 繁 chinesetraditional
zh-CN cn
ja jp 日
el gr
cs cz
da dk
sr scc
he iw
nb norwegian_bokmal
en-US american_english english_american
en-GB british_english english_british
"""

NOT_ONE_LANGUAGE = frozenset({"und", "zxx", "mis", "mul"})
"""Codes of what is not known, no language, or several."""

MAX_TAG = 35
"""Characters of a tag: enough for every one that is registered (RFC 5646, section 4.4.1)."""

_TAG = re.compile(r"([A-Za-z]{2,8})((?:-[A-Za-z0-9]{1,8}){0,8})")
_SCRIPTS = "arab armn cyrl deva geor grek hans hant hebr hira jpan kana kore latn thai".split()
_SUBTAGS = re.compile(rf"(?:-(?:{'|'.join(_SCRIPTS)}))?(?:-(?:[a-z]{{2}}|[0-9]{{3}}))?", re.IGNORECASE)


def _key(name: str) -> str:
    return normalize("NFC", name).casefold()


def _read_table() -> tuple[Mapping[str, str], Mapping[str, str]]:
    codes: dict[str, str] = {}
    names: dict[str, str] = {}
    for line in _TABLE.split("\n"):
        short, codes_2, *words = line.split() or ("", "")
        codes |= dict.fromkeys((short, *codes_2.split("/")), short)
        names |= {_key(word).replace("_", " "): short for word in words}
    for line in _OTHERS.split("\n"):
        tag, *words = line.split() or ("",)
        names |= {_key(word).replace("_", " "): tag for word in words}
    del codes[""]
    return codes, names


_CODES, _NAMES = _read_table()


def tag_of_code(language: str | None) -> str | None:
    """The tag for the language of a stream, as a file states it. None if it is missing, not valid, or not of one language.

    A code that is not in the table is kept: files may have any of the 8,000 codes of ISO 639-3.
    """
    match = _TAG.fullmatch((language or "")[:MAX_TAG].replace("_", "-"))
    if match is None or match[1].lower() in NOT_ONE_LANGUAGE:
        return None
    return _tag(_CODES.get(match[1].lower(), match[1].lower()), match[2])


def tag_of_word(word: str) -> str | None:
    """The tag for a word in the name of a file, such as `pt-BR`, `zh_TW`, `ger` or `English`. None if it names no language.

    Only codes in the table count: other words of two or three letters are words.
    """
    name = _NAMES.get(_key(word))
    if name is not None:
        return name
    match = _TAG.fullmatch(word[:MAX_TAG].replace("_", "-"))
    if match is None or match[1].lower() not in _CODES or not _SUBTAGS.fullmatch(match[2]):
        return None
    return _tag(_CODES[match[1].lower()], match[2])


def _tag(code: str, subtags: str) -> str:
    """A tag in the usual case (RFC 5646, section 2.1.1)."""
    parts = subtags.split("-")[1:]
    return "-".join((code, *(_cased(part) for part in parts)))


def _cased(part: str) -> str:
    if len(part) == 4 and part.isalpha():
        return part.title()
    return part.upper() if len(part) == 2 else part.lower()
