-- One row per account and local week in which it published. A sum of what was never measured is null, not 0.
select
  account_id,
  platform,
  week_start,
  count(*) as posts,
  count(engagement_24h) as measured_24h,
  sum(engagement_24h) as engagement_24h,
  median(times_usual_24h) as times_usual_24h
from {{ ref('posts') }}
group by account_id, platform, week_start
