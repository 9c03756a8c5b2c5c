DROP TABLE reported_download;
DROP TABLE resource_alias;
