"""Meta Business Suite: posts of Facebook Pages and Instagram accounts as CSV (UTF-16 or UTF-8), in many languages."""

from connectors.types import Platform
from warehouse.lake.import_.formats.base import Format

_SHARED = {
    "external_id": (
        "post id",
        "beitrags-id",
        "beitrags-id.",
        "identificador de la publicaci\u00f3n",
        "identificador de publicaci\u00f3n",
        "identifiant de publication",
        "id de publication",
        "identifica\u00e7\u00e3o do post",
        "id do post",
        "id del post",
        "bericht-id",
    ),
    "text": (
        "description",
        "beschreibung",
        "descripci\u00f3n",
        "descri\u00e7\u00e3o",
        "descrizione",
        "beschrijving",
    ),
    "title": ("title", "titel", "t\u00edtulo", "titre", "titolo"),
    "published_at": (
        "publish time",
        "ver\u00f6ffentlichungszeitpunkt",
        "ver\u00f6ffentlichungszeit",
        "zeitpunkt der ver\u00f6ffentlichung",
        "hora de publicaci\u00f3n",
        "heure de publication",
        "hor\u00e1rio de publica\u00e7\u00e3o",
        "hora de publica\u00e7\u00e3o",
        "ora di pubblicazione",
        "publicatietijd",
    ),
    "permalink": (
        "permalink",
        "enlace permanente",
        "permalien",
        "lien permanent",
        "link permanente",
        "permanente link",
    ),
    "kind": (
        "post type",
        "beitragstyp",
        "beitragsart",
        "tipo de publicaci\u00f3n",
        "type de publication",
        "tipo de post",
        "tipo di post",
        "type bericht",
    ),
    "impressions": (
        "impressions",
        "impressionen",
        "impresiones",
        "impress\u00f5es",
        "impression",
        "weergaven",
    ),
    "views": ("views", "aufrufe", "visualizaciones", "vues", "visualiza\u00e7\u00f5es", "visualizzazioni"),
    "reach": ("reach", "reichweite", "alcance", "couverture", "copertura", "bereik"),
    "likes": (
        "reactions",
        "likes",
        "reaktionen",
        '"gef\u00e4llt mir"-angaben',
        '"gef\u00e4llt mir"-angaben',
        "reacciones",
        "me gusta",
        "r\u00e9actions",
        "mentions j'aime",
        "j'aime",
        "rea\u00e7\u00f5es",
        "curtidas",
        "reazioni",
        "mi piace",
        "reacties",
    ),
    "comments": (
        "comments",
        "kommentare",
        "comentarios",
        "commentaires",
        "coment\u00e1rios",
        "commenti",
        "opmerkingen",
    ),
    "shares": (
        "shares",
        "geteilte inhalte",
        "geteilt",
        "veces compartido",
        "veces que se comparti\u00f3",
        "partages",
        "compartilhamentos",
        "condivisioni",
        "keer gedeeld",
    ),
    "saves": (
        "saves",
        "gespeicherte beitr\u00e4ge",
        "gespeichert",
        "veces guardado",
        "veces que se guard\u00f3",
        "enregistrements",
        "salvamentos",
        "salvataggi",
    ),
    "clicks": (
        "total clicks",
        "klicks insgesamt",
        "total de clics",
        "clics totaux",
        "total de cliques",
        "clic totali",
    ),
    "follows": ("follows", "seguimientos", "abonnements"),
    "watch_seconds": ("seconds viewed",),
}

_TEXT = {"text": "coalesce({text}, {title})"}
_HINT = "Business Suite writes the time of whoever exported it"
_LIFETIME = ("post id", "publish time", "permalink")

FACEBOOK = Format(
    name="meta_facebook",
    title="Meta Business Suite export (Facebook)",
    platform=Platform.FACEBOOK,
    fields=_SHARED
    | {
        "account": (
            "page name",
            "seitenname",
            "name der seite",
            "nombre de la p\u00e1gina",
            "nom de la page",
            "nome da p\u00e1gina",
            "nome pagina",
            "nome della pagina",
            "paginanaam",
        ),
        "page": (
            "page id",
            "seiten-id",
            "identificador de la p\u00e1gina",
            "identifiant de la page",
            "id de la page",
            "identifica\u00e7\u00e3o da p\u00e1gina",
            "id da p\u00e1gina",
            "id pagina",
            "id della pagina",
            "pagina-id",
        ),
    },
    marks=(frozenset({"external_id", "page", "published_at"}),),
    # The connector's id of a post of a Page; an id that already has both parts stays.
    expressions=_TEXT
    | {
        "external_id": "CASE WHEN regexp_full_match({external_id}, '\\d+') AND regexp_full_match({page}, '\\d+') "
        "THEN {page} || '_' || {external_id} ELSE {external_id} END"
    },
    date_order="mdy",
    zone_hint=_HINT,
)

INSTAGRAM = Format(
    name="meta_instagram",
    title="Meta Business Suite export (Instagram)",
    platform=Platform.INSTAGRAM,
    fields=_SHARED
    | {
        "account": (
            "account username",
            "benutzername des kontos",
            "nombre de usuario de la cuenta",
            "nom d'utilisateur du compte",
            "nome de usu\u00e1rio da conta",
            "nome utente dell'account",
            "account name",
        ),
        "page": (
            "account id",
            "konto-id",
            "identificador de la cuenta",
            "id du compte",
            "identifiant du compte",
            "identifica\u00e7\u00e3o da conta",
            "id account",
        ),
    },
    marks=(frozenset({"external_id", "page", "published_at"}),),
    expressions=_TEXT,
    date_order="mdy",
    zone_hint=_HINT,
)
