-- Counting, second method: sessions, the first of the clicks that are one, where visitors come from. Sums of months and fiscal years.

ALTER TABLE download ADD COLUMN first_at TIMESTAMP NOT NULL DEFAULT '1970-01-01 00:00:00';
ALTER TABLE download ADD COLUMN clicks BIGINT NOT NULL DEFAULT 1;
ALTER TABLE download ADD COLUMN click_before TEXT;
ALTER TABLE download ADD COLUMN referrer TEXT NOT NULL DEFAULT '';
ALTER TABLE download ADD COLUMN format TEXT NOT NULL DEFAULT '';
ALTER TABLE download ADD COLUMN agent_rule TEXT NOT NULL DEFAULT '';
UPDATE download SET first_at = at;
DROP INDEX download_click;
CREATE INDEX download_click_at ON download (click, at);
CREATE INDEX download_click_before ON download (click_before) WHERE click_before IS NOT NULL;
CREATE INDEX download_visitor ON download (visitor, dataset_id);

ALTER TABLE download_day ADD COLUMN unique_files BIGINT NOT NULL DEFAULT 0;
ALTER TABLE download_day ADD COLUMN unique_datasets BIGINT NOT NULL DEFAULT 0;
ALTER TABLE download_day ADD COLUMN format TEXT NOT NULL DEFAULT '';

-- Sums of settled days, by days (`2026-11-25`), months (`2026-11`) and fiscal years (`F2026`). Derived from download_day, with nothing of
-- the days after the setting `rollup.through`. An empty organization stands for all of them.
CREATE TABLE download_period (
    period TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    class TEXT NOT NULL,
    channel TEXT NOT NULL,
    total BIGINT NOT NULL,
    unique_files BIGINT NOT NULL,
    unique_datasets BIGINT NOT NULL,
    PRIMARY KEY (period, organization_id, class, channel)
);
CREATE INDEX download_period_organization ON download_period (organization_id, period);

CREATE TABLE download_dataset (
    period TEXT NOT NULL,
    dataset_id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    class TEXT NOT NULL,
    channel TEXT NOT NULL,
    total BIGINT NOT NULL,
    unique_files BIGINT NOT NULL,
    unique_datasets BIGINT NOT NULL,
    PRIMARY KEY (period, dataset_id, organization_id, class, channel)
);
CREATE INDEX download_dataset_dataset ON download_dataset (dataset_id, period);

CREATE TABLE download_format (
    period TEXT NOT NULL,
    format TEXT NOT NULL,
    total BIGINT NOT NULL,
    unique_files BIGINT NOT NULL,
    unique_datasets BIGINT NOT NULL,
    PRIMARY KEY (period, format)
);

CREATE TABLE download_file (
    distribution_id TEXT NOT NULL,
    dataset_id TEXT NOT NULL,
    total BIGINT NOT NULL,
    unique_files BIGINT NOT NULL,
    PRIMARY KEY (distribution_id, dataset_id)
);
CREATE INDEX download_file_dataset ON download_file (dataset_id);

-- Domains of the pages that led to downloads, by month.
CREATE TABLE download_referrer (
    month TEXT NOT NULL,
    referrer TEXT NOT NULL,
    total BIGINT NOT NULL,
    PRIMARY KEY (month, referrer)
);

-- Looks at pages and previews: never called downloads.
CREATE TABLE investigation_day (
    day TEXT NOT NULL,
    dataset_id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    class TEXT NOT NULL,
    channel TEXT NOT NULL,
    total BIGINT NOT NULL,
    unique_datasets BIGINT NOT NULL,
    PRIMARY KEY (day, dataset_id, organization_id, class, channel)
);
CREATE INDEX investigation_day_dataset ON investigation_day (dataset_id, day);
CREATE INDEX investigation_day_organization ON investigation_day (organization_id, day);

-- What was not counted, by the rule that said so; kind is `download` or `investigation`.
CREATE TABLE excluded_day (
    day TEXT NOT NULL,
    kind TEXT NOT NULL,
    reason TEXT NOT NULL,
    total BIGINT NOT NULL,
    PRIMARY KEY (day, kind, reason)
);

-- From which day on each version of the counting method counted here.
CREATE TABLE counting_method (
    version BIGINT PRIMARY KEY NOT NULL,
    first_day TEXT NOT NULL,
    fingerprint TEXT NOT NULL
);
INSERT INTO counting_method (version, first_day, fingerprint)
    SELECT 1, first.day, '' FROM (SELECT MIN(day) AS day FROM download_day) AS first WHERE first.day IS NOT NULL;
