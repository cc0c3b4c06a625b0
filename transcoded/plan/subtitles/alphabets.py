"""Which letters a language writes, most frequent first, and in which charsets it was written before UTF-8.

`charsets` guesses with it. Only what is not ASCII is listed. The order of letters within a language is that of usual frequency
tables; for Chinese, Japanese and Korean it is no order, but the set of the most frequent signs of speech.
"""

from collections.abc import Mapping, Sequence

import attrs


@attrs.frozen
class Alphabet:
    """The letters of one language, in lower case. `share`: the part of all its letters that are not ASCII.

    `words` are frequent words of it in ASCII alone. `charsets` are Python's names. `usual` is how usual it is among subtitles
    that are not UTF-8, in bits.
    """

    language: str
    charsets: Sequence[str]
    letters: str
    share: float = 1.0
    words: frozenset[str] = frozenset()
    usual: float = 0.0


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CYRILLIC = ("cp1251", "koi8_r", "cp866", "iso8859_5")
_WEST = ("cp1252", "iso8859_15")
_EAST = ("cp1250", "iso8859_2")
_BALTIC = ("cp1257", "iso8859_13")
_GREEK = ("cp1253", "iso8859_7")
_TURKISH = ("cp1254",)

ALPHABETS: Sequence[Alphabet] = (
    Alphabet("en", _WEST, "éèïñöüçàâêô", 0.001, _words("the you to and a of it that is in what me this for no my")),
    Alphabet("fr", _WEST, "éàèêçùôîâûïœëæüÿ", 0.035, _words("je de est pas le vous la tu que un il et ne les on ce")),
    Alphabet("de", _WEST, "üäößéàè", 0.02, _words("ich sie das ist du nicht die und es der wir zu ein was er")),
    Alphabet("es", _WEST, "áóíé¿¡ñúüç", 0.035, _words("que de no la el es en lo un por me una te los se con")),
    Alphabet("pt", _WEST, "ãéáçóíêúõàâôü", 0.04, _words("que de o eu a um e para me isso se com uma os na")),
    Alphabet("it", _WEST, "èàòùéìîú", 0.015, _words("che non di e la il un mi per una sono ti ma si ho")),
    Alphabet("ca", _WEST, "éàèóíòúïçü·", 0.03, _words("que de no la el i un en per em es va amb")),
    Alphabet("nl", _WEST, "éëïèöóüáê", 0.003, _words("ik je het de dat is een niet en van wat we")),
    Alphabet("sv", _WEST, "äåöéà", 0.05, _words("jag det du inte att en vi som har vad han och")),
    Alphabet("da", _WEST, "æøåéè", 0.035, _words("jeg det er du ikke at en og har vi til hvad")),
    Alphabet("no", _WEST, "åøæéòèô", 0.035, _words("jeg det er du ikke en og har vi til hva som")),
    Alphabet("fi", _WEST, "äöåé", 0.05, _words("ja on se ei en mit ole sin oli niin mutta hyv")),
    Alphabet("is", _WEST, "áðíéúöþóæý", 0.11, _words("er og til ekki um hann vi ert hvar"), -5.0),
    Alphabet("pl", _EAST, "łężąśóćńź", 0.07, _words("nie to w na z co jest do jak i tak mnie mam ale")),
    Alphabet("cs", _EAST, "íáéěšřžčýůúťďňó", 0.16, _words("to se je na ne co tak jsem ale v jak to si")),
    Alphabet("sk", _EAST, "áíéčšžýúľťôňďĺŕäó", 0.14, _words("to sa je na nie som si ako ale v tak")),
    Alphabet("hu", _EAST, "áéöóőíüúű", 0.13, _words("a nem az hogy egy ez is van mit de azt meg")),
    # Romanian with a comma below is not in these charsets; it was written with a cedilla.
    Alphabet(
        "ro", ("cp1250", "iso8859_2", "iso8859_16"), "ăîşţâșț", 0.07, _words("nu de a un ce e sunt este am pe cu")
    ),
    Alphabet("hr", _EAST, "čšžćđ", 0.035, _words("je da ne to se sam u si i na ti za su")),
    Alphabet("sl", _EAST, "čšžćđ", 0.035, _words("je se ne da si v to sem na in za kaj")),
    Alphabet("tr", _TURKISH, "ıüşğçöâîû", 0.12, _words("bir bu ne ve de mi var evet ben sen")),
    Alphabet("lt", _BALTIC, "ėšųžįąūčęõ", 0.07, _words("ir kad tai ne jis yra kaip tu")),
    Alphabet("lv", _BALTIC, "āīēšūļžņčģķ", 0.11, _words("un ir es tu to vai ka tas par ko")),
    Alphabet("et", ("cp1257", "cp1252"), "äõüöšž", 0.05, _words("ma on ei ja see sa et ta kui mis")),
    Alphabet("sq", _WEST, "ëçé", 0.06, _words("e nuk dhe po ta me do tani"), -5.0),
    Alphabet("ru", _CYRILLIC, "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфёъ"),
    Alphabet("uk", ("cp1251", "koi8_u", "cp1125"), "оаинвітеркслдупмзяьбгчйхжцшюєїґщф"),
    Alphabet("be", ("cp1251",), "анеіыорсялтувдзкмьпйбгцчшжэхўюёф"),
    Alphabet("bg", ("cp1251", "cp866"), "аоиетнрсвлкдпмзгбъуячцйхшщжфюь"),
    Alphabet("sr", ("cp1251", "iso8859_5"), "аоиенрсјтукдвпмлзбгчћшцжљњхђфџ"),
    Alphabet("mk", ("cp1251", "iso8859_5"), "аоиетнрсвлкдпмзјбгшучцжќљхфѓњџѕ"),
    Alphabet("el", _GREEK, "αοιετσνηυρπκμλςίωάόδέγήχθύφβώξζψϊϋΐΰ"),
    Alphabet("he", ("cp1255", "iso8859_8"), "יוהאלרבתמשנדקםחפעטכגזצסךןףץ"),
    Alphabet("ar", ("cp1256", "iso8859_6"), "اليمنوتربعدسهفكقحأجشصطخةذىضزئثإءآظغؤ؟،"),
    Alphabet("fa", ("cp1256",), "ایرندهمتوبسشکخگزفعقپحجچصطآضثغظژذئ؟،يك"),
    Alphabet("th", ("cp874",), "านรเก่งอ้วมลสทีตดไคปัะบิยำหแพขืใโุูจชถ์ฉธผฟญซณภศโๆฮฐ"),
    Alphabet(
        "ja",
        ("cp932", "euc_jp"),
        # Hiragana and katakana, and the most frequent kanji.
        "のいてんにしたなはるとがをでかもれらこっそよりうだすくあけまきせじさえどちつみおわめろやばゃょねほひふへぶべぎげごずぞびむゆょぼぐ"
        "ンスルトーアラリイクドレッシタマジプテロカコナニパバムフダキグサメチデオャョソツセノモエウビホミヤユヨケゴヒボペポベゲゼゾギネヌハヘワゃュィェァォ"
        "人私何君今日本一事行見言出来気分子大者時中前生死会手間自彼女思知父母先男上国何方長話待的家殺聞少女々彼俺僕誰年物部屋世界悪好心入名考合場戦",
    ),
    Alphabet(
        "zh-Hans",
        ("gb18030",),
        "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经么去法学如都同现当没动面起看"
        "定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体美相见被"
        "利什二等或新己身果加西月话合回特代内信表老给位次度门任先海教儿原东声提立比员真走各入几口认平气题活打女变四神总何电数安少才结反目太感再建做接必场件计管市直"
        "死命吗吧呢啊哦嗯怎哪谁找快爱请谢喜欢对起妈爸哥姐弟妹医院刚跟让听别马离杀枪帮错希望钱车晚早",
    ),
    Alphabet(
        "zh-Hant",
        ("big5hkscs",),
        "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡用道行所然家種事成方多經麼去法學如都同現當沒動面起看"
        "定天分還進好小部其些主樣理心她本前開但因只從想實日軍者意無力它與長把機十民第公此已工使情明性知全三又關點正業外將兩高間由問很最重並物手應戰向頭文體美相見被"
        "利什二等或新己身果加西月話合回特代內信表老給位次度門任先海教兒原東聲提立比員真走各入幾口認平氣題活打女變四神總何電數安少才結反目太感再建做接必場件計管市直"
        "死命嗎吧呢啊哦嗯怎哪誰找快愛請謝喜歡對起媽爸哥姐弟妹醫院剛跟讓聽別馬離殺槍幫錯希望錢車晚早",
    ),
    Alphabet(
        "ko",
        ("cp949",),
        "이다는에가을의하고지도를서로은기사어나대한인자그리시아해라정수일니만들게있없요습네안거야세면보오무내말부제주여상전우왜뭐어떻저당신감사합괜찮녕까알겠했었던"
        "으와과할수것뿐때문중좋미장소생님진짜데려줘봐죽여기든러스트구모르원동마음람간않못너난건데예",
    ),
    # Its charset writes the marks of the tones as signs of their own.
    Alphabet(
        "vi",
        ("cp1258",),
        "đăâêôơưàáéèíìóòúùýỳãõĩũ\u0301\u0300\u0303\u0309\u0323",
        0.3,
        _words("anh toi con em co cho trong ta khi nhu"),
        -4.0,
    ),
)

RELATIVES: Mapping[str, Sequence[str]] = {
    "zh": ("zh-Hans", "zh-Hant"),
    "cmn": ("zh-Hans", "zh-Hant"),
    "yue": ("zh-Hant", "zh-Hans"),
    "sr": ("sr", "hr"),
    "bs": ("hr", "sr"),
    "sh": ("hr", "sr"),
    "nb": ("no",),
    "nn": ("no",),
    "gl": ("pt", "es"),
    "eu": ("es",),
    "kk": ("ru",),
    "ur": ("fa", "ar"),
}
"""Languages that are written with the letters of others."""
