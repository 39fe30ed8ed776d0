-- grain: one post of a month in `changed_months` that is not in `touched_posts`: its place may change
-- params: none
INSERT INTO held
FROM marts.post_performance
WHERE (workspace_id, month) IN (FROM changed_months)
  AND post_id NOT IN (SELECT post_id FROM touched_posts)
