-- One row per publication, named as in dbt's social media reporting, with its local day.
select
  posts.publication_id,
  posts.platform,
  posts.external_account_id as page_id,
  posts.account_id,
  posts.account_name,
  posts.external_id as post_id,
  posts.post_type,
  posts.post_message,
  posts.post_url,
  posts.created_timestamp,
  posts.created_date,
  dates.week_start,
  dates.weekday_name,
  posts.impressions,
  posts.likes,
  posts.comments,
  posts.shares,
  posts.engagement,
  posts.engagement_24h,
  posts.times_usual_24h
from {{ source('marts', 'posts_wide') }} as posts
left join {{ source('dims', 'dates') }} as dates
  on dates.workspace_id = posts.workspace_id
  and dates.timezone = posts.timezone
  and dates.day = posts.created_date
where not posts.is_deleted
