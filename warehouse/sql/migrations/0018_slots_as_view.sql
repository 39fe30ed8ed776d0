-- Slots are computed when they are read: to keep them up, each load read the whole history of the accounts it touched.
DROP TABLE marts.slot_engagement;
