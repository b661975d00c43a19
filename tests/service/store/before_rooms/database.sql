BEGIN TRANSACTION;
CREATE TABLE alarms (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	schedule_seq INTEGER NOT NULL, 
	firing_id INTEGER NOT NULL, 
	"row" TEXT NOT NULL, 
	direction VARCHAR(16), 
	size FLOAT, 
	changed_instant DATETIME NOT NULL, 
	good_instant DATETIME, 
	good_study_id VARCHAR(32), 
	sentence TEXT NOT NULL, 
	differences JSON NOT NULL, 
	raised_at DATETIME NOT NULL, 
	acknowledged_at DATETIME, 
	ack_reason TEXT, 
	CONSTRAINT fk_alarms_firing_id FOREIGN KEY(firing_id) REFERENCES firings (id), 
	CONSTRAINT fk_alarms_schedule_seq FOREIGN KEY(schedule_seq) REFERENCES schedules (seq), 
	CONSTRAINT uq_alarms_firing_id UNIQUE (firing_id, "row")
);
INSERT INTO "alarms" VALUES(1,1,1,'offset 0',NULL,0.0,'2026-03-03 02:00:00.000000',NULL,NULL,'row ''offset 0'', seed 0, does not give its stored numbers: different: score is there only then; 1 of 2 metrics beyond the tolerance of 0.001; neither has a curve; since the reference nothing that is recorded changed (commit, lock, versions, device, processor, data)','[]','2026-03-03 02:00:00.000000',NULL,NULL);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0004');
CREATE TABLE attempts (
	trial_key VARCHAR(64) NOT NULL, 
	number INTEGER NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	reason TEXT, 
	claimed_at DATETIME NOT NULL, 
	started_at DATETIME, 
	ended_at DATETIME, 
	CONSTRAINT pk_attempts PRIMARY KEY (trial_key, number), 
	CONSTRAINT fk_attempts_trial_key FOREIGN KEY(trial_key) REFERENCES trials ("key")
);
INSERT INTO "attempts" VALUES('a8f0599a07727c91c04ec2042ed0cd9b6d2667d55b05228a659297c1b9ece7ad',1,'succeeded',NULL,'2026-11-30 15:32:06.655959',NULL,'2026-11-30 15:32:06.717980');
INSERT INTO "attempts" VALUES('9888aa3c4000d4a6f5d20406da72103d1b5ae8c6b9e7bd214e65cdbadb5e561b',1,'succeeded',NULL,'2026-11-30 15:32:06.655959',NULL,'2026-11-30 15:32:06.717993');
INSERT INTO "attempts" VALUES('df524d61f565879ee4aee79f360346d7ae75142f23ba8e188cd8abf5b1678e2c',1,'succeeded',NULL,'2026-11-30 15:32:06.725700',NULL,'2026-11-30 15:32:06.735277');
INSERT INTO "attempts" VALUES('6a908eee4e7f6474f76b11ae77d6e12cd012894694ea86510fc2b4c7a9828911',1,'succeeded',NULL,'2026-11-30 15:32:06.725700',NULL,'2026-11-30 15:32:06.735288');
INSERT INTO "attempts" VALUES('b952432095b268ca7c09984fc566f52f224f681c12e1d00e4be9e038b7cd01db',1,'succeeded',NULL,'2026-11-30 15:32:06.738103',NULL,'2026-11-30 15:32:06.749699');
INSERT INTO "attempts" VALUES('8e906f4a1b36f95696b8610f4f351a53703f382b82f45afe3b84183b2202c64d',1,'succeeded',NULL,'2026-11-30 15:32:06.738103',NULL,'2026-11-30 15:32:06.749710');
INSERT INTO "attempts" VALUES('50e5214756c395c0833f22784c072aaee8d2e1a163617a4bb20d28e4703ef9ba',1,'succeeded',NULL,'2026-11-30 15:32:08.499797',NULL,'2026-11-30 15:32:08.528352');
INSERT INTO "attempts" VALUES('0921718234d4268a8e6e00ab058828049475ec4e9477a8f8bb527ea1792dbfcc',1,'succeeded',NULL,'2026-11-30 15:32:08.499797',NULL,'2026-11-30 15:32:08.528371');
INSERT INTO "attempts" VALUES('62621ac2c12434a1836d62f47c43bebd5281ddfefb3c5e00b37bc598413af51c',1,'succeeded',NULL,'2026-11-30 15:32:08.720119',NULL,'2026-11-30 15:32:08.746267');
INSERT INTO "attempts" VALUES('8d65a0b90bcb99674584aeb3da52e32937b76cf10fd9bd75ce71e30a9218dc0f',1,'running',NULL,'2026-11-30 15:32:08.720119',NULL,NULL);
INSERT INTO "attempts" VALUES('bae6d3654c929baccb8fb76b05e97956f7f6f7af9715706a3c05f13fc00e7fdc',1,'running',NULL,'2026-11-30 15:32:08.754262',NULL,NULL);
CREATE TABLE costs (
	architecture VARCHAR(64) NOT NULL, 
	answer JSON NOT NULL, 
	CONSTRAINT pk_costs PRIMARY KEY (architecture)
);
CREATE TABLE deliveries (
	notice_id INTEGER NOT NULL, 
	channel VARCHAR(16) NOT NULL, 
	tries INTEGER NOT NULL, 
	next_try_at DATETIME NOT NULL, 
	error TEXT, 
	CONSTRAINT pk_deliveries PRIMARY KEY (notice_id, channel), 
	CONSTRAINT fk_deliveries_notice_id FOREIGN KEY(notice_id) REFERENCES notices (id)
);
INSERT INTO "deliveries" VALUES(1,'url',0,'2026-11-30 15:32:08.260019',NULL);
INSERT INTO "deliveries" VALUES(1,'command',0,'2026-11-30 15:32:08.260019',NULL);
INSERT INTO "deliveries" VALUES(2,'url',0,'2026-11-30 15:32:08.594414',NULL);
INSERT INTO "deliveries" VALUES(2,'command',0,'2026-11-30 15:32:08.594414',NULL);
INSERT INTO "deliveries" VALUES(3,'url',0,'2026-03-03 02:00:00.000000',NULL);
INSERT INTO "deliveries" VALUES(3,'command',0,'2026-03-03 02:00:00.000000',NULL);
CREATE TABLE events (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	study_seq INTEGER NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	data JSON NOT NULL, 
	CONSTRAINT fk_events_study_seq FOREIGN KEY(study_seq) REFERENCES studies (seq)
);
INSERT INTO "events" VALUES(1,1,'trial','{"key": "9888aa3c4000d4a6f5d20406da72103d1b5ae8c6b9e7bd214e65cdbadb5e561b", "row": "offset 1", "seed": 0, "state": "running", "reason": null, "step": null, "metrics": {}}');
INSERT INTO "events" VALUES(2,1,'trial','{"key": "a8f0599a07727c91c04ec2042ed0cd9b6d2667d55b05228a659297c1b9ece7ad", "row": "offset 0", "seed": 0, "state": "running", "reason": null, "step": null, "metrics": {}}');
INSERT INTO "events" VALUES(3,1,'trial','{"key": "9888aa3c4000d4a6f5d20406da72103d1b5ae8c6b9e7bd214e65cdbadb5e561b", "row": "offset 1", "seed": 0, "state": "succeeded", "reason": null, "step": null, "metrics": {"error": 2.0, "score": 0.5}}');
INSERT INTO "events" VALUES(4,1,'trial','{"key": "a8f0599a07727c91c04ec2042ed0cd9b6d2667d55b05228a659297c1b9ece7ad", "row": "offset 0", "seed": 0, "state": "succeeded", "reason": null, "step": null, "metrics": {"error": 1.0, "score": 0.5}}');
INSERT INTO "events" VALUES(5,1,'trial','{"key": "6a908eee4e7f6474f76b11ae77d6e12cd012894694ea86510fc2b4c7a9828911", "row": "offset 1", "seed": 1, "state": "running", "reason": null, "step": null, "metrics": {}}');
INSERT INTO "events" VALUES(6,1,'trial','{"key": "df524d61f565879ee4aee79f360346d7ae75142f23ba8e188cd8abf5b1678e2c", "row": "offset 0", "seed": 1, "state": "running", "reason": null, "step": null, "metrics": {}}');
INSERT INTO "events" VALUES(7,1,'trial','{"key": "6a908eee4e7f6474f76b11ae77d6e12cd012894694ea86510fc2b4c7a9828911", "row": "offset 1", "seed": 1, "state": "succeeded", "reason": null, "step": null, "metrics": {"error": 2.1, "score": 0.5}}');
INSERT INTO "events" VALUES(8,1,'trial','{"key": "df524d61f565879ee4aee79f360346d7ae75142f23ba8e188cd8abf5b1678e2c", "row": "offset 0", "seed": 1, "state": "succeeded", "reason": null, "step": null, "metrics": {"error": 1.1, "score": 0.5}}');
INSERT INTO "events" VALUES(9,1,'trial','{"key": "8e906f4a1b36f95696b8610f4f351a53703f382b82f45afe3b84183b2202c64d", "row": "offset 1", "seed": 2, "state": "running", "reason": null, "step": null, "metrics": {}}');
INSERT INTO "events" VALUES(10,1,'trial','{"key": "b952432095b268ca7c09984fc566f52f224f681c12e1d00e4be9e038b7cd01db", "row": "offset 0", "seed": 2, "state": "running", "reason": null, "step": null, "metrics": {}}');
INSERT INTO "events" VALUES(11,1,'trial','{"key": "8e906f4a1b36f95696b8610f4f351a53703f382b82f45afe3b84183b2202c64d", "row": "offset 1", "seed": 2, "state": "succeeded", "reason": null, "step": null, "metrics": {"error": 2.2, "score": 0.5}}');
INSERT INTO "events" VALUES(12,1,'trial','{"key": "b952432095b268ca7c09984fc566f52f224f681c12e1d00e4be9e038b7cd01db", "row": "offset 0", "seed": 2, "state": "succeeded", "reason": null, "step": null, "metrics": {"error": 1.2, "score": 0.5}}');
INSERT INTO "events" VALUES(13,1,'table','{"provisional": false}');
INSERT INTO "events" VALUES(14,2,'trial','{"key": "0921718234d4268a8e6e00ab058828049475ec4e9477a8f8bb527ea1792dbfcc", "row": "offset 0", "seed": 1, "state": "running", "reason": null, "step": null, "metrics": {}}');
INSERT INTO "events" VALUES(15,2,'trial','{"key": "50e5214756c395c0833f22784c072aaee8d2e1a163617a4bb20d28e4703ef9ba", "row": "offset 0", "seed": 0, "state": "running", "reason": null, "step": null, "metrics": {}}');
INSERT INTO "events" VALUES(16,2,'trial','{"key": "0921718234d4268a8e6e00ab058828049475ec4e9477a8f8bb527ea1792dbfcc", "row": "offset 0", "seed": 1, "state": "succeeded", "reason": null, "step": null, "metrics": {"error": 1.0}}');
INSERT INTO "events" VALUES(17,2,'trial','{"key": "50e5214756c395c0833f22784c072aaee8d2e1a163617a4bb20d28e4703ef9ba", "row": "offset 0", "seed": 0, "state": "succeeded", "reason": null, "step": null, "metrics": {"error": 1.0}}');
INSERT INTO "events" VALUES(18,2,'table','{"provisional": false}');
INSERT INTO "events" VALUES(19,3,'trial','{"key": "62621ac2c12434a1836d62f47c43bebd5281ddfefb3c5e00b37bc598413af51c", "row": "offset 2.5", "seed": 0, "state": "running", "reason": null, "step": null, "metrics": {}}');
INSERT INTO "events" VALUES(20,3,'trial','{"key": "8d65a0b90bcb99674584aeb3da52e32937b76cf10fd9bd75ce71e30a9218dc0f", "row": "offset 2.5", "seed": 1, "state": "running", "reason": null, "step": null, "metrics": {}}');
INSERT INTO "events" VALUES(21,3,'trial','{"key": "62621ac2c12434a1836d62f47c43bebd5281ddfefb3c5e00b37bc598413af51c", "row": "offset 2.5", "seed": 0, "state": "succeeded", "reason": null, "step": null, "metrics": {"error": 3.5, "score": 0.5}}');
INSERT INTO "events" VALUES(22,3,'trial','{"key": "bae6d3654c929baccb8fb76b05e97956f7f6f7af9715706a3c05f13fc00e7fdc", "row": "offset 2.5", "seed": 2, "state": "running", "reason": null, "step": null, "metrics": {}}');
CREATE TABLE firings (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	schedule_seq INTEGER NOT NULL, 
	instant DATETIME NOT NULL, 
	cause VARCHAR(16) NOT NULL, 
	kind VARCHAR(16), 
	state VARCHAR(16) NOT NULL, 
	reason TEXT, 
	stands_for INTEGER NOT NULL, 
	study_seq INTEGER, 
	repeat INTEGER, 
	seeds JSON NOT NULL, 
	reference JSON, 
	metric VARCHAR(64), 
	rows JSON NOT NULL, 
	comparisons JSON NOT NULL, 
	drift JSON, 
	provenance JSON, 
	fired_at DATETIME, 
	ended_at DATETIME, 
	CONSTRAINT fk_firings_schedule_seq FOREIGN KEY(schedule_seq) REFERENCES schedules (seq), 
	CONSTRAINT fk_firings_study_seq FOREIGN KEY(study_seq) REFERENCES studies (seq), 
	CONSTRAINT ck_firings_cause CHECK (cause IN ('cron', 'manual')), 
	CONSTRAINT ck_firings_kind CHECK (kind IN ('reference', 'verify', 'fresh')), 
	CONSTRAINT ck_firings_state CHECK (state IN ('queued', 'running', 'done', 'holes', 'cancelled', 'skipped', 'missed', 'refused')), 
	CONSTRAINT uq_firings_schedule_seq UNIQUE (schedule_seq, instant)
);
INSERT INTO "firings" VALUES(1,1,'2026-03-03 02:00:00.000000','cron','verify','done',NULL,1,2,1,'[0, 1]','{"repeat": 0, "instant": null, "cells": [["offset 0", 0, "a8f0599a07727c91c04ec2042ed0cd9b6d2667d55b05228a659297c1b9ece7ad"], ["offset 0", 1, "df524d61f565879ee4aee79f360346d7ae75142f23ba8e188cd8abf5b1678e2c"]]}','error','[{"row": "offset 0", "n": 2, "lost": 0, "mean": 1.0, "sd": 0.0, "values": {"0": 1.0, "1": 1.0}}]','[{"row": "offset 0", "seed": 0, "verdict": "different", "then": 1.0, "now": 1.0, "first_difference_step": null, "sentence": "different: score is there only then; 1 of 2 metrics beyond the tolerance of 0.001; neither has a curve", "key": "50e5214756c395c0833f22784c072aaee8d2e1a163617a4bb20d28e4703ef9ba", "reference_key": "a8f0599a07727c91c04ec2042ed0cd9b6d2667d55b05228a659297c1b9ece7ad"}, {"row": "offset 0", "seed": 1, "verdict": "different", "then": 1.1, "now": 1.0, "first_difference_step": null, "sentence": "different: score is there only then; 2 of 2 metrics beyond the tolerance of 0.001; neither has a curve", "key": "0921718234d4268a8e6e00ab058828049475ec4e9477a8f8bb527ea1792dbfcc", "reference_key": "df524d61f565879ee4aee79f360346d7ae75142f23ba8e188cd8abf5b1678e2c"}]','{"state": "alarm", "sentence": "other numbers than stored in ''offset 0'': different: score is there only then; 1 of 2 metrics beyond the tolerance of 0.001; neither has a curve"}','{"host": "here", "data": null}','2026-03-03 02:00:00.000000','2026-11-30 15:32:08.594414');
CREATE TABLE idempotency (
	owner VARCHAR(64) NOT NULL, 
	"key" VARCHAR(255) NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	study_seq INTEGER NOT NULL, 
	CONSTRAINT pk_idempotency PRIMARY KEY (owner, "key"), 
	CONSTRAINT fk_idempotency_study_seq FOREIGN KEY(study_seq) REFERENCES studies (seq)
);
CREATE TABLE memberships (
	study_seq INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	"row" TEXT NOT NULL, 
	seed BIGINT NOT NULL, 
	trial_key VARCHAR(64) NOT NULL, 
	shared BOOLEAN NOT NULL, 
	settled VARCHAR(16), 
	CONSTRAINT pk_memberships PRIMARY KEY (study_seq, position), 
	CONSTRAINT fk_memberships_study_seq FOREIGN KEY(study_seq) REFERENCES studies (seq), 
	CONSTRAINT fk_memberships_trial_key FOREIGN KEY(trial_key) REFERENCES trials ("key"), 
	CONSTRAINT ck_memberships_settled CHECK (settled IN ('failed', 'cancelled')), 
	CONSTRAINT uq_memberships_study_seq UNIQUE (study_seq, "row", seed)
);
INSERT INTO "memberships" VALUES(1,0,'offset 0',0,'a8f0599a07727c91c04ec2042ed0cd9b6d2667d55b05228a659297c1b9ece7ad',0,NULL);
INSERT INTO "memberships" VALUES(1,1,'offset 1',0,'9888aa3c4000d4a6f5d20406da72103d1b5ae8c6b9e7bd214e65cdbadb5e561b',0,NULL);
INSERT INTO "memberships" VALUES(1,2,'offset 0',1,'df524d61f565879ee4aee79f360346d7ae75142f23ba8e188cd8abf5b1678e2c',0,NULL);
INSERT INTO "memberships" VALUES(1,3,'offset 1',1,'6a908eee4e7f6474f76b11ae77d6e12cd012894694ea86510fc2b4c7a9828911',0,NULL);
INSERT INTO "memberships" VALUES(1,4,'offset 0',2,'b952432095b268ca7c09984fc566f52f224f681c12e1d00e4be9e038b7cd01db',0,NULL);
INSERT INTO "memberships" VALUES(1,5,'offset 1',2,'8e906f4a1b36f95696b8610f4f351a53703f382b82f45afe3b84183b2202c64d',0,NULL);
INSERT INTO "memberships" VALUES(2,0,'offset 0',0,'50e5214756c395c0833f22784c072aaee8d2e1a163617a4bb20d28e4703ef9ba',0,NULL);
INSERT INTO "memberships" VALUES(2,1,'offset 0',1,'0921718234d4268a8e6e00ab058828049475ec4e9477a8f8bb527ea1792dbfcc',0,NULL);
INSERT INTO "memberships" VALUES(3,0,'offset 0',0,'a8f0599a07727c91c04ec2042ed0cd9b6d2667d55b05228a659297c1b9ece7ad',1,NULL);
INSERT INTO "memberships" VALUES(3,1,'offset 1',0,'9888aa3c4000d4a6f5d20406da72103d1b5ae8c6b9e7bd214e65cdbadb5e561b',1,NULL);
INSERT INTO "memberships" VALUES(3,2,'offset 2.5',0,'62621ac2c12434a1836d62f47c43bebd5281ddfefb3c5e00b37bc598413af51c',0,NULL);
INSERT INTO "memberships" VALUES(3,3,'offset 0',1,'df524d61f565879ee4aee79f360346d7ae75142f23ba8e188cd8abf5b1678e2c',1,NULL);
INSERT INTO "memberships" VALUES(3,4,'offset 1',1,'6a908eee4e7f6474f76b11ae77d6e12cd012894694ea86510fc2b4c7a9828911',1,NULL);
INSERT INTO "memberships" VALUES(3,5,'offset 2.5',1,'8d65a0b90bcb99674584aeb3da52e32937b76cf10fd9bd75ce71e30a9218dc0f',0,NULL);
INSERT INTO "memberships" VALUES(3,6,'offset 0',2,'b952432095b268ca7c09984fc566f52f224f681c12e1d00e4be9e038b7cd01db',1,NULL);
INSERT INTO "memberships" VALUES(3,7,'offset 1',2,'8e906f4a1b36f95696b8610f4f351a53703f382b82f45afe3b84183b2202c64d',1,NULL);
INSERT INTO "memberships" VALUES(3,8,'offset 2.5',2,'bae6d3654c929baccb8fb76b05e97956f7f6f7af9715706a3c05f13fc00e7fdc',0,NULL);
INSERT INTO "memberships" VALUES(3,9,'offset 0',3,'e8d21039f03e31c9cfed0974587fbb97ee0f3e5a4114abc5fb3b0c3e1c9ab9e9',0,NULL);
INSERT INTO "memberships" VALUES(3,10,'offset 1',3,'c7dc331f890dc27af17d3ac02c95fc982ffd6f501c14af535eaefb692660e991',0,NULL);
INSERT INTO "memberships" VALUES(3,11,'offset 2.5',3,'f2f25d299d8f82870c2b762d4764c2ac1d236b1a8598cd8285f503ffa4fa3ad1',0,NULL);
CREATE TABLE mirrored (
	study_seq INTEGER NOT NULL, 
	trial_key VARCHAR(64) NOT NULL, 
	run_id VARCHAR(64) NOT NULL, 
	experiment_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_mirrored PRIMARY KEY (study_seq, trial_key), 
	CONSTRAINT fk_mirrored_study_seq FOREIGN KEY(study_seq) REFERENCES studies (seq)
);
CREATE TABLE needs (
	trial_key VARCHAR(64) NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	needed_key VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_needs PRIMARY KEY (trial_key, name), 
	CONSTRAINT fk_needs_trial_key FOREIGN KEY(trial_key) REFERENCES trials ("key"), 
	CONSTRAINT fk_needs_needed_key FOREIGN KEY(needed_key) REFERENCES trials ("key")
);
CREATE TABLE notices (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	uid VARCHAR(32) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	about VARCHAR(200) NOT NULL, 
	document JSON NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT uq_notices_about UNIQUE (about), 
	CONSTRAINT uq_notices_uid UNIQUE (uid)
);
INSERT INTO "notices" VALUES(1,'c37a7792b1c2c2468fb7c8b696e85951','finished','study:01m8phbcsvsy6n9dvz0f:2026-11-30T15:32:08.260019+00:00','{"study_id": "01m8phbcsvsy6n9dvz0f", "name": "finished", "schedule": null, "state": "succeeded", "reason": null, "sentence": "study finished (01m8phbcsvsy6n9dvz0f) is done"}','2026-11-30 15:32:08.260019');
INSERT INTO "notices" VALUES(2,'aa0ee6e7c22e20866f3d6119eefeb390','finished','study:01m8phbemhtvpmrd45nr:2026-11-30T15:32:08.594414+00:00','{"study_id": "01m8phbemhtvpmrd45nr", "name": "toys", "schedule": "nightly", "state": "succeeded", "reason": null, "sentence": "study toys (01m8phbemhtvpmrd45nr) is done"}','2026-11-30 15:32:08.594414');
INSERT INTO "notices" VALUES(3,'6cd917627a5ee1e7f9515125f29e7009','drift','alarm:1','{"schedule": "nightly", "row": "offset 0", "instant": "2026-03-03T02:00:00+00:00", "changed_instant": "2026-03-03T02:00:00+00:00", "study_id": "01m8phbemhtvpmrd45nr", "differences": [], "sentence": "schedule nightly: row ''offset 0'', seed 0, does not give its stored numbers: different: score is there only then; 1 of 2 metrics beyond the tolerance of 0.001; neither has a curve; since the reference nothing that is recorded changed (commit, lock, versions, device, processor, data)"}','2026-03-03 02:00:00.000000');
CREATE TABLE outbox (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	study_seq INTEGER NOT NULL, 
	trial_key VARCHAR(64) NOT NULL, 
	version INTEGER NOT NULL, 
	CONSTRAINT fk_outbox_study_seq FOREIGN KEY(study_seq) REFERENCES studies (seq), 
	CONSTRAINT uq_outbox_study_seq UNIQUE (study_seq, trial_key)
);
INSERT INTO "outbox" VALUES(1,1,'',2);
INSERT INTO "outbox" VALUES(2,1,'9888aa3c4000d4a6f5d20406da72103d1b5ae8c6b9e7bd214e65cdbadb5e561b',2);
INSERT INTO "outbox" VALUES(3,1,'a8f0599a07727c91c04ec2042ed0cd9b6d2667d55b05228a659297c1b9ece7ad',2);
INSERT INTO "outbox" VALUES(6,1,'6a908eee4e7f6474f76b11ae77d6e12cd012894694ea86510fc2b4c7a9828911',2);
INSERT INTO "outbox" VALUES(7,1,'df524d61f565879ee4aee79f360346d7ae75142f23ba8e188cd8abf5b1678e2c',2);
INSERT INTO "outbox" VALUES(10,1,'8e906f4a1b36f95696b8610f4f351a53703f382b82f45afe3b84183b2202c64d',2);
INSERT INTO "outbox" VALUES(11,1,'b952432095b268ca7c09984fc566f52f224f681c12e1d00e4be9e038b7cd01db',2);
INSERT INTO "outbox" VALUES(15,2,'',2);
INSERT INTO "outbox" VALUES(16,2,'0921718234d4268a8e6e00ab058828049475ec4e9477a8f8bb527ea1792dbfcc',2);
INSERT INTO "outbox" VALUES(17,2,'50e5214756c395c0833f22784c072aaee8d2e1a163617a4bb20d28e4703ef9ba',2);
INSERT INTO "outbox" VALUES(21,3,'',1);
INSERT INTO "outbox" VALUES(22,3,'a8f0599a07727c91c04ec2042ed0cd9b6d2667d55b05228a659297c1b9ece7ad',1);
INSERT INTO "outbox" VALUES(23,3,'9888aa3c4000d4a6f5d20406da72103d1b5ae8c6b9e7bd214e65cdbadb5e561b',1);
INSERT INTO "outbox" VALUES(24,3,'df524d61f565879ee4aee79f360346d7ae75142f23ba8e188cd8abf5b1678e2c',1);
INSERT INTO "outbox" VALUES(25,3,'6a908eee4e7f6474f76b11ae77d6e12cd012894694ea86510fc2b4c7a9828911',1);
INSERT INTO "outbox" VALUES(26,3,'b952432095b268ca7c09984fc566f52f224f681c12e1d00e4be9e038b7cd01db',1);
INSERT INTO "outbox" VALUES(27,3,'8e906f4a1b36f95696b8610f4f351a53703f382b82f45afe3b84183b2202c64d',1);
INSERT INTO "outbox" VALUES(28,3,'62621ac2c12434a1836d62f47c43bebd5281ddfefb3c5e00b37bc598413af51c',2);
INSERT INTO "outbox" VALUES(29,3,'8d65a0b90bcb99674584aeb3da52e32937b76cf10fd9bd75ce71e30a9218dc0f',1);
INSERT INTO "outbox" VALUES(31,3,'bae6d3654c929baccb8fb76b05e97956f7f6f7af9715706a3c05f13fc00e7fdc',1);
CREATE TABLE scheduler (
	id INTEGER NOT NULL, 
	dispatcher VARCHAR(16) NOT NULL, 
	machines JSON NOT NULL, 
	beat_at DATETIME NOT NULL, 
	CONSTRAINT pk_scheduler PRIMARY KEY (id)
);
INSERT INTO "scheduler" VALUES(1,'scripted','[{"cpus": 2, "gpus": 0}]','2026-11-30 15:32:08.506477');
CREATE TABLE schedules (
	seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	name VARCHAR(64) NOT NULL, 
	cron VARCHAR(100) NOT NULL, 
	tz VARCHAR(64) NOT NULL, 
	mode VARCHAR(16) NOT NULL, 
	study JSON NOT NULL, 
	scale VARCHAR(64), 
	seeds INTEGER, 
	priority INTEGER, 
	missed VARCHAR(16) NOT NULL, 
	grace_s INTEGER NOT NULL, 
	overlap VARCHAR(16) NOT NULL, 
	jitter_s INTEGER NOT NULL, 
	tolerance FLOAT NOT NULL, 
	reference_firings INTEGER NOT NULL, 
	false_alarm_every INTEGER NOT NULL, 
	paused BOOLEAN NOT NULL, 
	created_at DATETIME NOT NULL, 
	changed_at DATETIME NOT NULL, 
	last_at DATETIME, 
	next_at DATETIME NOT NULL, 
	due_at DATETIME NOT NULL, 
	next_seed INTEGER NOT NULL, 
	reference JSON, 
	renews BOOLEAN NOT NULL, 
	watched_from DATETIME NOT NULL, 
	CONSTRAINT ck_schedules_mode CHECK (mode IN ('verify', 'fresh')), 
	CONSTRAINT ck_schedules_missed CHECK (missed IN ('coalesce', 'skip', 'all')), 
	CONSTRAINT ck_schedules_overlap CHECK (overlap IN ('skip', 'queue')), 
	CONSTRAINT uq_schedules_name UNIQUE (name)
);
INSERT INTO "schedules" VALUES(1,'nightly','0 2 * * *','UTC','verify','{"name": "toys", "seeds": 2, "base": {"task": "toy"}, "rows": [{"label": "offset 0", "set": {"offset": 0.0}}, {"label": "offset 1", "set": {"offset": 1.0}}]}',NULL,NULL,NULL,'coalesce',3600,'skip',0,0.001,4,200,0,'2026-03-02 12:00:00.000000','2026-03-02 12:00:00.000000','2026-03-03 02:00:00.000000','2026-03-04 02:00:00.000000','2026-03-04 02:00:00.000000',0,'{"repeat": 0, "instant": null, "cells": [["offset 0", 0, "a8f0599a07727c91c04ec2042ed0cd9b6d2667d55b05228a659297c1b9ece7ad"], ["offset 0", 1, "df524d61f565879ee4aee79f360346d7ae75142f23ba8e188cd8abf5b1678e2c"]]}',0,'2026-03-02 12:00:00.000000');
CREATE TABLE studies (
	seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	id VARCHAR(32) NOT NULL, 
	owner VARCHAR(64), 
	name VARCHAR(64) NOT NULL, 
	title TEXT NOT NULL, 
	scale VARCHAR(64), 
	state VARCHAR(16) NOT NULL, 
	reason TEXT, 
	priority INTEGER NOT NULL, 
	replicate INTEGER NOT NULL, 
	document JSON NOT NULL, 
	registrations JSON NOT NULL, 
	warnings JSON NOT NULL, 
	costs JSON NOT NULL, 
	result JSON, 
	created_at DATETIME NOT NULL, 
	started_at DATETIME, 
	ended_at DATETIME, repeat INTEGER DEFAULT '0' NOT NULL, canary_only BOOLEAN DEFAULT 0 NOT NULL, schedule VARCHAR(64), 
	CONSTRAINT ck_studies_state CHECK (state IN ('queued', 'running', 'paused', 'succeeded', 'failed', 'cancelled')), 
	CONSTRAINT uq_studies_id UNIQUE (id)
);
INSERT INTO "studies" VALUES(1,'01m8phbcsvsy6n9dvz0f',NULL,'finished','Finished before the rework',NULL,'succeeded',NULL,0,0,'{"name": "finished", "seeds": 3, "base": {"task": "toy"}, "rows": [{"label": "offset 0", "set": {"offset": 0.0}}, {"label": "offset 1", "set": {"offset": 1.0}}], "title": "Finished before the rework"}','[{"at": "2026-11-30T15:32:06.587460+00:00", "study": "finished", "seeds": [0, 1, 2], "rows": "d48fc44bc951fcd0", "metric": "error", "alpha": 0.05, "margin": null, "test": "auto", "headline": null}]','[{"pointer": "/seeds", "code": "power", "message": "3 seeds, 1 comparison: the exact test cannot decide (smallest adjusted p .25); 6 seeds can"}, {"pointer": "/seeds", "code": "power", "message": "the paired t test is used: it assumes that differences over seeds are normally distributed, and sees effects of 3.26 standard deviations of a difference with 80 % power"}]','{}','{"study": "finished", "title": "Finished before the rework", "question": "", "scale": null, "seeds": [0, 1, 2], "setup": ["task toy"], "metric": "error", "metrics": [], "lower_is_better": true, "directions": {"error": true}, "provisional": false, "alpha": 0.05, "margin": null, "test": "auto", "commits": [], "exploratory": false, "factors": {}, "effects": null, "fronts": [], "families": [{"group": null, "baseline": "offset 0", "comparisons": 1, "n": 3, "test": "t", "method": "p by the paired t test, corrected for 1 comparison (Holm): it assumes normal differences over seeds; by sign flip where all differences are equal, which leaves t without a spread: ''offset 1''", "spread": null, "agreement": null, "audit": null}], "columns": ["label", "error", "diff", "decision"], "rows": [{"label": "offset 0", "group": null, "baseline": true, "set": {"offset": 0.0}, "levels": {}, "n_planned": 3, "n_ok": 3, "n_diverged": 0, "n_failed": 0, "cells": {"error": {"mean": 1.1, "sd": 0.09999999999999998, "values": {"0": 1.0, "1": 1.1, "2": 1.2}, "diff": null, "p": null, "p_flip": null, "p_adj": null, "decision": "baseline", "tested": null, "published": null, "agreement": null}}, "params": null, "params_without_norm": null, "multiply_adds": null, "published_params": null, "published_multiply_adds": null, "train_s": 1.0, "worker_h": null, "peak_memory_bytes": null, "inference_ms_1": null, "inference_ms_32": null, "inference_rounds": null, "inference_folded": null, "measured_on": null, "funnel_share": null, "trials": ["a8f0599a07727c91c04ec2042ed0cd9b6d2667d55b05228a659297c1b9ece7ad", "df524d61f565879ee4aee79f360346d7ae75142f23ba8e188cd8abf5b1678e2c", "b952432095b268ca7c09984fc566f52f224f681c12e1d00e4be9e038b7cd01db"], "notes": []}, {"label": "offset 1", "group": null, "baseline": false, "set": {"offset": 1.0}, "levels": {}, "n_planned": 3, "n_ok": 3, "n_diverged": 0, "n_failed": 0, "cells": {"error": {"mean": 2.1, "sd": 0.10000000000000009, "values": {"0": 2.0, "1": 2.1, "2": 2.2}, "diff": {"mean": 1.0, "low": 0.9999999999999997, "high": 1.0000000000000002, "n": 3}, "p": 0.25, "p_flip": 0.25, "p_adj": 0.25, "decision": "undecided", "tested": {"test": "flip", "p_t": null, "comparisons": 1, "simultaneous": {"low": 1.0, "high": 1.0}, "p_better": {"low": 0.0, "high": 0.7075982261787133, "share": 0.0, "wins": 0, "ties": 0, "n": 3}, "reason": "too few seeds", "text": "undecided (n = 3, with 1 comparison the exact test cannot decide)", "mde": null, "mde_sd": null, "target": null, "seeds_needed": null, "seeds_equivalent": null, "rho": 1.0, "pairing_gain": 1.0, "p_lost": null, "p_worst": null, "p_worst_adj": null}, "published": null, "agreement": null}}, "params": null, "params_without_norm": null, "multiply_adds": null, "published_params": null, "published_multiply_adds": null, "train_s": 1.0, "worker_h": null, "peak_memory_bytes": null, "inference_ms_1": null, "inference_ms_32": null, "inference_rounds": null, "inference_folded": null, "measured_on": null, "funnel_share": null, "trials": ["9888aa3c4000d4a6f5d20406da72103d1b5ae8c6b9e7bd214e65cdbadb5e561b", "6a908eee4e7f6474f76b11ae77d6e12cd012894694ea86510fc2b4c7a9828911", "8e906f4a1b36f95696b8610f4f351a53703f382b82f45afe3b84183b2202c64d"], "notes": []}], "published": null, "notes": ["mean \u00b1 sample standard deviation over seeds (number of seeds); differences are paired by seed, with 95 % t intervals, each by itself", "p by the paired t test, corrected for 1 comparison (Holm): it assumes normal differences over seeds; by sign flip where all differences are equal, which leaves t without a spread: ''offset 1''", "decided at 5 % for each family of rows; without a margin no row is equivalent", "row ''offset 1'': undecided (n = 3, with 1 comparison the exact test cannot decide)"], "provenance": ["rows, seeds and test were fixed on 2026-11-30 15:32 UTC, before any result was known", "trials finished from 2026-11-30 15:32 to 2026-11-30 15:32 UTC"]}','2026-11-30 15:32:06.587460','2026-11-30 15:32:06.655959+00:00','2026-11-30 15:32:08.260019',0,0,NULL);
INSERT INTO "studies" VALUES(2,'01m8phbemhtvpmrd45nr',NULL,'toys','',NULL,'succeeded',NULL,0,0,'{"name": "toys", "seeds": 2, "base": {"task": "toy"}, "rows": [{"label": "offset 0", "set": {"offset": 0.0}}, {"label": "offset 1", "set": {"offset": 1.0}}]}','[{"at": "2026-11-30T15:32:08.465519+00:00", "study": "toys", "seeds": [0, 1], "rows": "7a97597da5c7cc9c", "metric": "error", "alpha": 0.05, "margin": null, "test": "auto", "headline": null}]','[]','{}','{"study": "toys", "title": "", "question": "", "scale": null, "seeds": [0, 1], "setup": ["task toy"], "metric": "error", "metrics": [], "lower_is_better": true, "directions": {"error": true}, "provisional": false, "alpha": 0.05, "margin": null, "test": "auto", "commits": [], "exploratory": false, "factors": {}, "effects": null, "fronts": [], "families": [{"group": null, "baseline": "offset 0", "comparisons": 0, "n": 0, "test": null, "method": "nothing is tested: no row has two seeds in common with ''offset 0''", "spread": null, "agreement": null, "audit": null}], "columns": ["label", "error", "diff", "decision"], "rows": [{"label": "offset 0", "group": null, "baseline": true, "set": {"offset": 0.0}, "levels": {}, "n_planned": 2, "n_ok": 2, "n_diverged": 0, "n_failed": 0, "cells": {"error": {"mean": 1.0, "sd": 0.0, "values": {"0": 1.0, "1": 1.0}, "diff": null, "p": null, "p_flip": null, "p_adj": null, "decision": "baseline", "tested": null, "published": null, "agreement": null}}, "params": null, "params_without_norm": null, "multiply_adds": null, "published_params": null, "published_multiply_adds": null, "train_s": 1.0, "worker_h": null, "peak_memory_bytes": null, "inference_ms_1": null, "inference_ms_32": null, "inference_rounds": null, "inference_folded": null, "measured_on": null, "funnel_share": null, "trials": ["50e5214756c395c0833f22784c072aaee8d2e1a163617a4bb20d28e4703ef9ba", "0921718234d4268a8e6e00ab058828049475ec4e9477a8f8bb527ea1792dbfcc"], "notes": []}], "published": null, "notes": ["mean \u00b1 sample standard deviation over seeds (number of seeds); differences are paired by seed, with 95 % t intervals, each by itself", "a repetition: each cell was trained once more, with the random numbers of the first time", "canary rows alone: the study''s other rows are not trained here"], "provenance": ["rows, seeds and test were fixed on 2026-11-30 15:32 UTC, before any result was known", "trials finished from 2026-11-30 15:32 to 2026-11-30 15:32 UTC"]}','2026-11-30 15:32:08.465519','2026-11-30 15:32:08.499797+00:00','2026-11-30 15:32:08.594414',1,1,'nightly');
INSERT INTO "studies" VALUES(3,'01m8phbevmws7azkd5gw',NULL,'waiting','',NULL,'running',NULL,0,0,'{"name": "waiting", "seeds": 4, "base": {"task": "toy"}, "rows": [{"label": "offset 0", "set": {"offset": 0.0}}, {"label": "offset 1", "set": {"offset": 1.0}}, {"label": "offset 2.5", "set": {"offset": 2.5}}]}','[{"at": "2026-11-30T15:32:08.692012+00:00", "study": "waiting", "seeds": [0, 1, 2, 3], "rows": "eb7e5a3ce134494a", "metric": "error", "alpha": 0.05, "margin": null, "test": "auto", "headline": null}]','[{"pointer": "/seeds", "code": "power", "message": "4 seeds, 2 comparisons: the exact test cannot decide (smallest adjusted p .25); 7 seeds can"}, {"pointer": "/seeds", "code": "power", "message": "the paired t test is used: it assumes that differences over seeds are normally distributed, and sees effects of 2.72 standard deviations of a difference with 80 % power"}]','{}',NULL,'2026-11-30 15:32:08.692012','2026-11-30 15:32:08.720119+00:00',NULL,0,0,NULL);
CREATE TABLE trials (
	seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	"key" VARCHAR(64) NOT NULL, 
	task VARCHAR(64) NOT NULL, 
	seed BIGINT NOT NULL, 
	replicate INTEGER NOT NULL, 
	recipe JSON NOT NULL, 
	cpus INTEGER NOT NULL, 
	gpus FLOAT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	reason TEXT, 
	priority INTEGER, 
	fence INTEGER NOT NULL, 
	losses INTEGER NOT NULL, 
	ooms INTEGER NOT NULL, 
	step INTEGER, 
	steps INTEGER, 
	live JSON, 
	curve JSON, 
	outcome JSON, 
	provenance JSON, 
	created_at DATETIME NOT NULL, 
	started_at DATETIME, 
	ended_at DATETIME, open_needs INTEGER DEFAULT '0' NOT NULL, repeat INTEGER DEFAULT '0' NOT NULL, 
	CONSTRAINT ck_trials_state CHECK (state IN ('queued', 'running', 'succeeded', 'diverged', 'failed', 'cancelled')), 
	CONSTRAINT uq_trials_key UNIQUE ("key")
);
INSERT INTO "trials" VALUES(1,'a8f0599a07727c91c04ec2042ed0cd9b6d2667d55b05228a659297c1b9ece7ad','toy',0,0,'{"offset": 0.0, "tags": ["a", "b"]}',1,0.0,'succeeded',NULL,0,1,0,0,NULL,NULL,'null','[]','{"kind": "outcome", "status": "succeeded", "metrics": {"error": 1.0, "score": 0.5}, "reason": null, "train_s": 1.0, "cost": null, "funnel_share": {}}','{"host": "here"}','2026-11-30 15:32:06.602390','2026-11-30 15:32:06.655959','2026-11-30 15:32:06.717980',0,0);
INSERT INTO "trials" VALUES(2,'9888aa3c4000d4a6f5d20406da72103d1b5ae8c6b9e7bd214e65cdbadb5e561b','toy',0,0,'{"offset": 1.0, "tags": ["a", "b"]}',1,0.0,'succeeded',NULL,0,1,0,0,NULL,NULL,'null','[]','{"kind": "outcome", "status": "succeeded", "metrics": {"error": 2.0, "score": 0.5}, "reason": null, "train_s": 1.0, "cost": null, "funnel_share": {}}','{"host": "here"}','2026-11-30 15:32:06.602390','2026-11-30 15:32:06.655959','2026-11-30 15:32:06.717993',0,0);
INSERT INTO "trials" VALUES(3,'df524d61f565879ee4aee79f360346d7ae75142f23ba8e188cd8abf5b1678e2c','toy',1,0,'{"offset": 0.0, "tags": ["a", "b"]}',1,0.0,'succeeded',NULL,0,1,0,0,NULL,NULL,'null','[]','{"kind": "outcome", "status": "succeeded", "metrics": {"error": 1.1, "score": 0.5}, "reason": null, "train_s": 1.0, "cost": null, "funnel_share": {}}','{"host": "here"}','2026-11-30 15:32:06.602390','2026-11-30 15:32:06.725700','2026-11-30 15:32:06.735277',0,0);
INSERT INTO "trials" VALUES(4,'6a908eee4e7f6474f76b11ae77d6e12cd012894694ea86510fc2b4c7a9828911','toy',1,0,'{"offset": 1.0, "tags": ["a", "b"]}',1,0.0,'succeeded',NULL,0,1,0,0,NULL,NULL,'null','[]','{"kind": "outcome", "status": "succeeded", "metrics": {"error": 2.1, "score": 0.5}, "reason": null, "train_s": 1.0, "cost": null, "funnel_share": {}}','{"host": "here"}','2026-11-30 15:32:06.602390','2026-11-30 15:32:06.725700','2026-11-30 15:32:06.735288',0,0);
INSERT INTO "trials" VALUES(5,'b952432095b268ca7c09984fc566f52f224f681c12e1d00e4be9e038b7cd01db','toy',2,0,'{"offset": 0.0, "tags": ["a", "b"]}',1,0.0,'succeeded',NULL,0,1,0,0,NULL,NULL,'null','[]','{"kind": "outcome", "status": "succeeded", "metrics": {"error": 1.2, "score": 0.5}, "reason": null, "train_s": 1.0, "cost": null, "funnel_share": {}}','{"host": "here"}','2026-11-30 15:32:06.602390','2026-11-30 15:32:06.738103','2026-11-30 15:32:06.749699',0,0);
INSERT INTO "trials" VALUES(6,'8e906f4a1b36f95696b8610f4f351a53703f382b82f45afe3b84183b2202c64d','toy',2,0,'{"offset": 1.0, "tags": ["a", "b"]}',1,0.0,'succeeded',NULL,0,1,0,0,NULL,NULL,'null','[]','{"kind": "outcome", "status": "succeeded", "metrics": {"error": 2.2, "score": 0.5}, "reason": null, "train_s": 1.0, "cost": null, "funnel_share": {}}','{"host": "here"}','2026-11-30 15:32:06.602390','2026-11-30 15:32:06.738103','2026-11-30 15:32:06.749710',0,0);
INSERT INTO "trials" VALUES(7,'50e5214756c395c0833f22784c072aaee8d2e1a163617a4bb20d28e4703ef9ba','toy',0,0,'{"offset": 0.0, "tags": ["a", "b"]}',1,0.0,'succeeded',NULL,0,1,0,0,NULL,NULL,'null','[]','{"kind": "outcome", "status": "succeeded", "metrics": {"error": 1.0}, "reason": null, "train_s": 1.0, "cost": null, "funnel_share": {}}','{"host": "here"}','2026-11-30 15:32:08.467600','2026-11-30 15:32:08.499797','2026-11-30 15:32:08.528352',0,1);
INSERT INTO "trials" VALUES(8,'0921718234d4268a8e6e00ab058828049475ec4e9477a8f8bb527ea1792dbfcc','toy',1,0,'{"offset": 0.0, "tags": ["a", "b"]}',1,0.0,'succeeded',NULL,0,1,0,0,NULL,NULL,'null','[]','{"kind": "outcome", "status": "succeeded", "metrics": {"error": 1.0}, "reason": null, "train_s": 1.0, "cost": null, "funnel_share": {}}','{"host": "here"}','2026-11-30 15:32:08.467600','2026-11-30 15:32:08.499797','2026-11-30 15:32:08.528371',0,1);
INSERT INTO "trials" VALUES(11,'62621ac2c12434a1836d62f47c43bebd5281ddfefb3c5e00b37bc598413af51c','toy',0,0,'{"offset": 2.5, "tags": ["a", "b"]}',1,0.0,'succeeded',NULL,0,1,0,0,NULL,NULL,'null','[]','{"kind": "outcome", "status": "succeeded", "metrics": {"error": 3.5, "score": 0.5}, "reason": null, "train_s": 1.0, "cost": null, "funnel_share": {}}','{"host": "here"}','2026-11-30 15:32:08.698631','2026-11-30 15:32:08.720119','2026-11-30 15:32:08.746267',0,0);
INSERT INTO "trials" VALUES(14,'8d65a0b90bcb99674584aeb3da52e32937b76cf10fd9bd75ce71e30a9218dc0f','toy',1,0,'{"offset": 2.5, "tags": ["a", "b"]}',1,0.0,'running',NULL,0,1,0,0,NULL,NULL,'null',NULL,NULL,NULL,'2026-11-30 15:32:08.698631','2026-11-30 15:32:08.720119',NULL,0,0);
INSERT INTO "trials" VALUES(17,'bae6d3654c929baccb8fb76b05e97956f7f6f7af9715706a3c05f13fc00e7fdc','toy',2,0,'{"offset": 2.5, "tags": ["a", "b"]}',1,0.0,'running',NULL,0,1,0,0,NULL,NULL,'null',NULL,NULL,NULL,'2026-11-30 15:32:08.698631','2026-11-30 15:32:08.754262',NULL,0,0);
INSERT INTO "trials" VALUES(18,'e8d21039f03e31c9cfed0974587fbb97ee0f3e5a4114abc5fb3b0c3e1c9ab9e9','toy',3,0,'{"offset": 0.0, "tags": ["a", "b"]}',1,0.0,'queued',NULL,0,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-30 15:32:08.698631',NULL,NULL,0,0);
INSERT INTO "trials" VALUES(19,'c7dc331f890dc27af17d3ac02c95fc982ffd6f501c14af535eaefb692660e991','toy',3,0,'{"offset": 1.0, "tags": ["a", "b"]}',1,0.0,'queued',NULL,0,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-30 15:32:08.698631',NULL,NULL,0,0);
INSERT INTO "trials" VALUES(20,'f2f25d299d8f82870c2b762d4764c2ac1d236b1a8598cd8285f503ffa4fa3ad1','toy',3,0,'{"offset": 2.5, "tags": ["a", "b"]}',1,0.0,'queued',NULL,0,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-30 15:32:08.698631',NULL,NULL,0,0);
CREATE INDEX ix_studies_name ON studies (name);
CREATE INDEX ix_studies_state ON studies (state, seq);
CREATE INDEX ix_trials_running ON trials (seq) WHERE state = 'running';
CREATE INDEX ix_events_study ON events (study_seq, id);
CREATE INDEX ix_memberships_trial_key ON memberships (trial_key);
CREATE INDEX ix_trials_queue ON trials (priority DESC, seq) WHERE state = 'queued' AND priority IS NOT NULL AND open_needs = 0;
CREATE INDEX ix_needs_needed_key ON needs (needed_key);
CREATE INDEX ix_notices_created_at ON notices (created_at);
CREATE INDEX ix_schedules_due ON schedules (due_at);
CREATE INDEX ix_deliveries_next_try_at ON deliveries (next_try_at);
CREATE INDEX ix_firings_state ON firings (state);
CREATE INDEX ix_firings_study_seq ON firings (study_seq);
CREATE INDEX ix_alarms_schedule_seq ON alarms (schedule_seq);
CREATE INDEX ix_studies_schedule ON studies (schedule, seq);
CREATE INDEX ix_firings_ended_at ON firings (ended_at);
CREATE INDEX ix_firings_last ON firings (schedule_seq, id) WHERE state <> 'skipped';
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('studies',3);
INSERT INTO "sqlite_sequence" VALUES('trials',20);
INSERT INTO "sqlite_sequence" VALUES('outbox',31);
INSERT INTO "sqlite_sequence" VALUES('events',22);
INSERT INTO "sqlite_sequence" VALUES('notices',3);
INSERT INTO "sqlite_sequence" VALUES('schedules',1);
INSERT INTO "sqlite_sequence" VALUES('firings',1);
INSERT INTO "sqlite_sequence" VALUES('alarms',1);
COMMIT;
