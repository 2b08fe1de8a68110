CREATE DATABASE IF NOT EXISTS sogo CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS 'sogo'@'127.0.0.1' IDENTIFIED BY 'sogo';
GRANT ALL ON sogo.* TO 'sogo'@'127.0.0.1';
USE sogo;
-- The columns that SOGo expects of an SQL user source.
CREATE TABLE IF NOT EXISTS directory (
  c_uid VARCHAR(128) PRIMARY KEY,
  c_name VARCHAR(128) NOT NULL,
  c_password VARCHAR(128) NOT NULL,
  c_cn VARCHAR(128) NOT NULL,
  mail VARCHAR(128) NOT NULL
);
