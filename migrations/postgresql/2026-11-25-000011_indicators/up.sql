-- What other sites report, by whom and when; indicators with their rules and values; months that are closed.

-- kind is `reported` (added to what is counted here) or `legacy` (an older way of counting, shown beside it and never added).
CREATE TABLE report_source (
    id TEXT PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    title_en TEXT NOT NULL
);

-- An empty organization stands for the whole site.
CREATE TABLE report_figure (
    month TEXT NOT NULL,
    source TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    total BIGINT NOT NULL,
    note TEXT NOT NULL,
    actor TEXT NOT NULL,
    at TIMESTAMP NOT NULL,
    PRIMARY KEY (month, source, organization_id)
);
CREATE TABLE report_log (
    id TEXT PRIMARY KEY NOT NULL,
    month TEXT NOT NULL,
    source TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    before BIGINT,
    after BIGINT NOT NULL,
    way TEXT NOT NULL,
    actor TEXT NOT NULL,
    at TIMESTAMP NOT NULL
);
CREATE INDEX report_log_at ON report_log (at);
INSERT INTO report_source (id, kind, title, title_en) SELECT DISTINCT source, 'reported', source, source FROM download_reported;
INSERT INTO report_figure (month, source, organization_id, total, note, actor, at)
    SELECT month, source, '', total, '', actor, at FROM download_reported;
DROP TABLE download_reported;

CREATE TABLE indicator (
    id TEXT PRIMARY KEY NOT NULL,
    position BIGINT NOT NULL,
    body TEXT NOT NULL
);
CREATE TABLE dataset_scope (
    id TEXT PRIMARY KEY NOT NULL,
    body TEXT NOT NULL
);
-- Values by month (`2026-11`): entered by hand, or what a rule gave at the end of the month.
CREATE TABLE indicator_value (
    indicator TEXT NOT NULL,
    month TEXT NOT NULL,
    value DOUBLE PRECISION NOT NULL,
    note TEXT NOT NULL,
    actor TEXT NOT NULL,
    at TIMESTAMP NOT NULL,
    PRIMARY KEY (indicator, month)
);

CREATE TABLE month_close (
    month TEXT PRIMARY KEY NOT NULL,
    figures TEXT NOT NULL,
    method_version BIGINT NOT NULL,
    actor TEXT NOT NULL,
    at TIMESTAMP NOT NULL
);
CREATE TABLE restatement (
    id TEXT PRIMARY KEY NOT NULL,
    month TEXT NOT NULL,
    reason TEXT NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL,
    actor TEXT NOT NULL,
    at TIMESTAMP NOT NULL
);
