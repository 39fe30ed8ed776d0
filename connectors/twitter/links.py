"""Write links so that X links all of them.

X ends a link at the first character that its rules do not know, such as a Chinese letter in a path, `{` or `^`: readers
would land on another page. Percent-encoding such a path (RFC 3986, section 2.1) names the same page in characters that
X takes. X shows every link shortened, as t.co, so the text looks the same.
"""

from urllib.parse import quote, urlsplit

from connectors.content.links import find_links, find_urls
from connectors.content.text import count_weighted
from connectors.types import FollowUp, PostContent

_KEPT = "/?#=&%+-_.~!*'();:,@$"
"""Characters of a path or query that are sent as they are: X takes them, and they may have a meaning there."""


def encode_links(text: str) -> str:
    """Return the text with the paths and queries encoded of links that X would cut; the same text if there are none."""
    if "://" not in text:
        return text
    by_x = {(start, end) for start, end, _url in find_urls(text)}
    for start, end, target in reversed(find_links(text)):
        if (start, end) in by_x or not text.startswith(target, start):
            continue  # linked as a whole, or written without a scheme
        encoded = _encode(target)
        if [url for _start, _end, url in find_urls(encoded)] == [encoded]:
            text = text[:start] + encoded + text[end:]
    return text


def _encode(link: str) -> str:
    host_end = link.index("://") + 3 + len(urlsplit(link).netloc)
    return link[:host_end] + quote(link[host_end:], safe=_KEPT)


def count_sent(text: str) -> int:
    """Return the weighted length of the text as it is sent."""
    return count_weighted(encode_links(text))


def encode_content(content: PostContent) -> PostContent:
    """Return the content as it is sent: links in every part encoded where X would cut them."""
    comment = content.first_comment
    return content.model_copy(
        update={
            "text": encode_links(content.text),
            "link": content.link and encode_links(content.link),
            "thread": tuple(map(_encode_part, content.thread)),
            "first_comment": comment and _encode_part(comment),
        }
    )


def _encode_part(part: FollowUp) -> FollowUp:
    return part.model_copy(update={"text": encode_links(part.text)})
