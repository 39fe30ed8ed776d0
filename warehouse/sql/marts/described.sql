-- grain: one publication of `continued`, with what is known of it
-- params: none
-- known_hours: the age up to which the marts have counted it.
CREATE OR REPLACE TEMP TABLE described AS
SELECT
  workspace_id, publication_id, post_id, account_id, platform, origin, kind, published_at,
  (epoch_us(captured_at) - epoch_us(published_at)) / 3.6e9 AS known_hours,
  engagement_1h, engagement_24h, engagement_7d, engagement_30d
FROM continued
