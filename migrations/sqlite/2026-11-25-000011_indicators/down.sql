CREATE TABLE download_reported (
    month TEXT NOT NULL,
    source TEXT NOT NULL,
    total BIGINT NOT NULL,
    actor TEXT NOT NULL,
    at TIMESTAMP NOT NULL,
    PRIMARY KEY (month, source)
);
INSERT INTO download_reported (month, source, total, actor, at)
    SELECT month, source, CAST(SUM(total) AS BIGINT), MAX(actor), MAX(at) FROM report_figure
    WHERE source IN (SELECT id FROM report_source WHERE kind = 'reported') GROUP BY month, source;
DROP TABLE restatement;
DROP TABLE month_close;
DROP TABLE indicator_value;
DROP TABLE dataset_scope;
DROP TABLE indicator;
DROP TABLE report_log;
DROP TABLE report_figure;
DROP TABLE report_source;
