DROP TABLE search_click;
DROP TABLE search_month;
