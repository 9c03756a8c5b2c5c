DROP TABLE indicator_target;
DROP TABLE download_reported;
DROP TABLE download_day;
DROP TABLE download;
DROP TABLE harvest_outcome;
DROP TABLE harvest_record;
DROP TABLE job;
