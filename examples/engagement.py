"""When posts earn, and how accounts grow: a marimo notebook over the lake, beside the running pipeline.

Look at it with `marimo edit examples/engagement.py`, or run it as a script. It reads the lake of SOCIALFLOW_HOME.
"""

import marimo

app = marimo.App(width="medium", app_title="Engagement and growth")


@app.cell
def introduction():
    import marimo as mo

    mo.md(
        """
        # Engagement and growth

        Every number here comes from the lake's marts, which `docs/warehouse.md` explains. What was not measured is
        left blank, never drawn as 0.
        """
    )
    return (mo,)


@app.cell
def connection():
    # Anywhere else, the lines that `socialflow lake attach --format python` prints do the same.
    import duckdb

    from warehouse.lake.analyst_access import attach_statements
    from warehouse.settings import WarehouseSettings

    lake = duckdb.connect()
    for statement in attach_statements(WarehouseSettings()):
        lake.execute(statement)
    return (lake,)


@app.cell
def slots(lake):
    # A mean over accounts of very different size would show the biggest one alone: so each account is set against its
    # own mean first, and slots are then averaged over posts. All posts are compared at the age of 24 hours.
    slot_rows = lake.execute(
        """
        WITH usual AS (
          SELECT account_id, sum(engagement_24h_mean * measured_24h) / sum(measured_24h) AS engagement
          FROM marts.slot_engagement
          GROUP BY account_id
        )
        SELECT weekday, hour, sum(measured_24h) AS posts,
               sum(engagement_24h_mean / usual.engagement * measured_24h) / sum(measured_24h) AS against_usual
        FROM marts.slot_engagement
        JOIN usual USING (account_id)
        WHERE measured_24h > 0 AND usual.engagement > 0
        GROUP BY weekday, hour
        ORDER BY weekday, hour
        """
    ).fetchall()
    return (slot_rows,)


@app.cell
def slot_plot(slot_rows):
    import matplotlib.pyplot as plt
    import numpy as np

    against_usual = np.full((7, 24), np.nan)
    for weekday, hour, _posts, value in slot_rows:
        against_usual[weekday, hour] = value
    slot_figure, axes = plt.subplots(figsize=(10, 3.2), layout="constrained")
    image = axes.imshow(against_usual, cmap="RdBu_r", vmin=0, vmax=2, aspect="auto")
    axes.set_yticks(range(7), ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"])
    axes.set_xticks(range(0, 24, 3))
    axes.set_xlabel("hour of publishing, each account's own time")
    axes.set_title("Engagement after 24 hours against the account's usual (1 = usual, blank = not measured)")
    slot_figure.colorbar(image)
    slot_figure  # noqa: B018 (a cell shows its last expression)
    return against_usual, plt, slot_figure


@app.cell
def caution(mo, slot_rows):
    mo.md(
        f"""
        {sum(row[2] for row in slot_rows)} posts in {len(slot_rows)} of 168 hours. A slot with few posts says little;
        `marts.optimal_times` weighs the evidence and gives a range for each hour.
        """
    )


@app.cell
def growth(lake):
    growth_rows = lake.execute(
        """
        SELECT platform || ' ' || handle AS account, list(day ORDER BY day) AS days,
               list(followers ORDER BY day) AS followers
        FROM marts.account_daily
        JOIN (SELECT account_id, platform, handle FROM dims.accounts) USING (account_id)
        WHERE followers IS NOT NULL
        GROUP BY account
        ORDER BY account
        """
    ).fetchall()
    return (growth_rows,)


@app.cell
def growth_plot(growth_rows, plt):
    growth_figure, growth_axes = plt.subplots(figsize=(10, 3.2), layout="constrained")
    for account, days, followers in growth_rows:
        # Against the first count, since accounts differ in size; a marker is a day on which somebody counted.
        growth = [100 * (count / followers[0] - 1) if followers[0] else float("nan") for count in followers]
        growth_axes.plot(days, growth, marker=".", label=account)
    growth_axes.set_ylabel("followers won since the first count, %")
    growth_axes.set_title("Growth")
    if growth_rows:
        growth_axes.legend()
    growth_figure  # noqa: B018 (a cell shows its last expression)
    return (growth_figure,)


if __name__ == "__main__":
    app.run()
