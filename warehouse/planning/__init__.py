"""Turn a request into a checked draft and save it: the single code path for planning posts.

Imported by every interface (HTTP, dashboard, command line). No FastAPI, no Typer, no network. An interface reads its
input into a model of `wish`, creates a `PlanningContext`, calls one of these functions, and shows the result:

    posts         create_post(context, PostWish)                     a new post (or a draft)
                  preview_post(context, PostWish)                    the same as a dry run
                  change_post(context, post_id, PostChange)          change an unsent post
                  move_post(context, post_id, scheduled_at)          another time
    bulk          create_posts(context, rows, mode=, dry_run=)       many posts; rows from files.read_post_rows
    recurrences   create_recurrence(context, RecurrenceWish)         a rule that creates posts
                  change_recurrence(context, id, RecurrenceChange)   change it and its unsent posts
                  read_rule, list_upcoming                           a rule's coming times, nothing saved
    uploads       check_file(file), keep_file(media, checked, file)  a picture or video for posts
    times         needs_lake(scheduled_at)                           whether to open the lake first

`warehouse.shapes.read_shape(PostWish, {...})` reads plain data into a model. Everything runs in the session of the
context and commits with it. Actions on a stored post (cancel, retry, resolve, approve, reject) need no planning: see
`warehouse.store.posts`. Errors: InvalidInputError, which lists each problem with a JSON pointer into the input,
NotFoundError, and ConflictError.
"""
