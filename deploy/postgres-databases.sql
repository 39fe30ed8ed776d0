-- Run once, when PostgreSQL's volume is made: one database each for the lake's catalog and for Prefect.
CREATE DATABASE socialflow_lake OWNER socialflow;
CREATE DATABASE prefect OWNER socialflow;
\connect prefect
CREATE EXTENSION IF NOT EXISTS pg_trgm;
