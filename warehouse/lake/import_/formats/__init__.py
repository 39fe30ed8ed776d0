"""The formats that readers recognise, one module each, with their columns as data.

`ALL` lists them in the order in which they are tried; of several that fit a header, the one that knows most of its
columns is taken.
"""

from warehouse.lake.import_.formats import (
    bluesky_repository,
    facebook_download,
    forums,
    instagram_download,
    linkedin,
    mastodon_archive,
    meta_business_suite,
    own,
    pinterest,
    tiktok_studio,
    tools,
    x_analytics,
    x_archive,
    youtube_studio,
)

ALL = (
    own.FORMAT,
    x_analytics.FORMAT,
    meta_business_suite.FACEBOOK,
    meta_business_suite.INSTAGRAM,
    linkedin.PAGE,
    linkedin.CREATOR,
    tiktok_studio.FORMAT,
    youtube_studio.FORMAT,
    pinterest.FORMAT,
    forums.REDDIT,
    forums.HACKER_NEWS,
    tools.BUFFER,
    tools.HOOTSUITE,
    tools.SPROUT,
    tools.METRICOOL,
    tools.POSTIZ,
    tools.BY_HAND,
)
"""Tables: recognised by their headers."""

ARCHIVES = (
    x_archive.FORMAT,
    mastodon_archive.FORMAT,
    instagram_download.FORMAT,
    facebook_download.FORMAT,
)
"""Archives and JSON: recognised by what their members hold."""

REPOSITORY = bluesky_repository.FORMAT
