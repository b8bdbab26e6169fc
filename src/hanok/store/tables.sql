CREATE TABLE access_rules (
	id VARCHAR(64) NOT NULL,
	user_id VARCHAR(64) NOT NULL,
	service VARCHAR(64) NOT NULL,
	path VARCHAR(128) NOT NULL,
	method VARCHAR(16) NOT NULL,
	CONSTRAINT pk_access_rules PRIMARY KEY (id),
	CONSTRAINT uq_access_rules_user_id_service_path_method UNIQUE (user_id, service, path, method)
);
CREATE INDEX ix_access_rules_user_id ON access_rules (user_id);
CREATE TABLE address_groups (
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(255) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description VARCHAR(255) NOT NULL,
	revision_number BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	CONSTRAINT pk_address_groups PRIMARY KEY (id)
);
CREATE INDEX ix_address_groups_project_id ON address_groups (project_id);
CREATE TABLE address_scopes (
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(255) NOT NULL,
	name VARCHAR(255) NOT NULL,
	ip_version INTEGER NOT NULL,
	CONSTRAINT pk_address_scopes PRIMARY KEY (id)
);
CREATE INDEX ix_address_scopes_project_id ON address_scopes (project_id);
CREATE TABLE alarming_alarms (
	sequence INTEGER NOT NULL,
	alarm_id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description TEXT NOT NULL,
	enabled BOOLEAN NOT NULL,
	type VARCHAR(50) NOT NULL,
	severity VARCHAR(20) NOT NULL,
	state VARCHAR(20) NOT NULL,
	state_reason TEXT NOT NULL,
	state_timestamp BIGINT NOT NULL,
	timestamp BIGINT NOT NULL,
	evaluate_timestamp BIGINT NOT NULL,
	user_id VARCHAR(64) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	repeat_actions BOOLEAN NOT NULL,
	time_constraints TEXT NOT NULL,
	rule TEXT NOT NULL,
	ok_actions TEXT NOT NULL,
	alarm_actions TEXT NOT NULL,
	insufficient_data_actions TEXT NOT NULL,
	within TEXT NOT NULL,
	lent TEXT NOT NULL,
	evaluations TEXT NOT NULL,
	revision INTEGER NOT NULL,
	CONSTRAINT pk_alarming_alarms PRIMARY KEY (sequence),
	CONSTRAINT uq_alarming_alarms_alarm_id UNIQUE (alarm_id)
);
CREATE INDEX ix_alarming_alarms_evaluate_timestamp ON alarming_alarms (evaluate_timestamp);
CREATE INDEX ix_alarming_alarms_project_id ON alarming_alarms (project_id);
CREATE TABLE alarming_changes (
	sequence INTEGER NOT NULL,
	event_id VARCHAR(36) NOT NULL,
	alarm_id VARCHAR(36) NOT NULL,
	type VARCHAR(20) NOT NULL,
	detail TEXT NOT NULL,
	user_id VARCHAR(64),
	project_id VARCHAR(64),
	on_behalf_of VARCHAR(64) NOT NULL,
	timestamp BIGINT NOT NULL,
	severity VARCHAR(20) NOT NULL,
	CONSTRAINT pk_alarming_changes PRIMARY KEY (sequence),
	CONSTRAINT uq_alarming_changes_event_id UNIQUE (event_id)
);
CREATE INDEX ix_alarming_changes_alarm_id ON alarming_changes (alarm_id);
CREATE TABLE alarming_notices (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	alarm_id VARCHAR(36) NOT NULL,
	action TEXT NOT NULL,
	payload TEXT NOT NULL,
	lent TEXT NOT NULL,
	tries INTEGER NOT NULL,
	due_at BIGINT NOT NULL,
	CONSTRAINT pk_alarming_notices PRIMARY KEY (sequence),
	CONSTRAINT uq_alarming_notices_id UNIQUE (id)
);
CREATE INDEX ix_alarming_notices_due_at ON alarming_notices (due_at);
CREATE INDEX ix_alarming_notices_project_id ON alarming_notices (project_id);
CREATE TABLE alarming_quotas (
	project_id VARCHAR(64) NOT NULL,
	"limit" INTEGER NOT NULL,
	CONSTRAINT pk_alarming_quotas PRIMARY KEY (project_id)
);
CREATE TABLE allocations (
	consumer_id VARCHAR(36) NOT NULL,
	provider_id VARCHAR(36) NOT NULL,
	resource_class VARCHAR(255) NOT NULL,
	used BIGINT NOT NULL,
	CONSTRAINT pk_allocations PRIMARY KEY (consumer_id, provider_id, resource_class)
);
CREATE INDEX ix_allocations_provider_id ON allocations (provider_id);
CREATE TABLE application_credentials (
	id VARCHAR(64) NOT NULL,
	user_id VARCHAR(64) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	name VARCHAR(255) NOT NULL,
	secret_hash VARCHAR(128) NOT NULL,
	description TEXT,
	expires_at BIGINT,
	unrestricted BOOLEAN NOT NULL,
	role_ids TEXT NOT NULL,
	access_rule_ids TEXT,
	parent_id VARCHAR(64),
	name_key VARCHAR(1024) DEFAULT '' NOT NULL,
	CONSTRAINT pk_application_credentials PRIMARY KEY (id),
	CONSTRAINT uq_application_credentials_user_id_name UNIQUE (user_id, name)
);
CREATE INDEX ix_application_credentials_name ON application_credentials (name);
CREATE INDEX ix_application_credentials_parent_id ON application_credentials (parent_id);
CREATE UNIQUE INDEX ux_application_credentials_name_key ON application_credentials (name_key, user_id);
CREATE TABLE assignments (
	actor_kind VARCHAR(5) NOT NULL,
	actor_id VARCHAR(64) NOT NULL,
	target_kind VARCHAR(7) NOT NULL,
	target_id VARCHAR(64) NOT NULL,
	role_id VARCHAR(64) NOT NULL,
	inherited BOOLEAN NOT NULL,
	CONSTRAINT pk_assignments PRIMARY KEY (actor_kind, actor_id, target_kind, target_id, role_id, inherited)
);
CREATE INDEX ix_assignments_target ON assignments (target_kind, target_id);
CREATE TABLE cloud_hosts (
	name VARCHAR(63) NOT NULL,
	token VARCHAR(63) NOT NULL,
	address VARCHAR(45) NOT NULL,
	roles VARCHAR(100) NOT NULL,
	ends_at BIGINT NOT NULL,
	anchor TEXT NOT NULL,
	control_anchor TEXT,
	control_key VARCHAR(64),
	joined_by VARCHAR(64) NOT NULL,
	joined_at BIGINT NOT NULL,
	CONSTRAINT pk_cloud_hosts PRIMARY KEY (name),
	CONSTRAINT uq_cloud_hosts_token UNIQUE (token),
	CONSTRAINT uq_cloud_hosts_address UNIQUE (address)
);
CREATE TABLE compute_aggregates (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	uuid VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	CONSTRAINT uq_compute_aggregates_uuid UNIQUE (uuid),
	CONSTRAINT uq_compute_aggregates_name UNIQUE (name)
);
CREATE TABLE compute_server_groups (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	user_id VARCHAR(64) NOT NULL,
	name VARCHAR(255) NOT NULL,
	policy VARCHAR(32) NOT NULL,
	rules TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	CONSTRAINT pk_compute_server_groups PRIMARY KEY (sequence),
	CONSTRAINT uq_compute_server_groups_id UNIQUE (id)
);
CREATE INDEX ix_compute_server_groups_project_id ON compute_server_groups (project_id);
CREATE TABLE compute_services (
	id VARCHAR(36) NOT NULL,
	number INTEGER NOT NULL,
	binary VARCHAR(64) NOT NULL,
	host VARCHAR(255) NOT NULL,
	zone VARCHAR(255) NOT NULL,
	disabled BOOLEAN NOT NULL,
	disabled_reason VARCHAR(255),
	forced_down BOOLEAN NOT NULL,
	seen_at BIGINT NOT NULL,
	silent_at BIGINT,
	provider_id VARCHAR(36),
	host_state TEXT,
	failed_builds INTEGER DEFAULT '0' NOT NULL,
	CONSTRAINT pk_compute_services PRIMARY KEY (id),
	CONSTRAINT uq_compute_services_host_binary UNIQUE (host, binary),
	CONSTRAINT uq_compute_services_number UNIQUE (number)
);
CREATE INDEX ix_compute_services_provider ON compute_services (provider_id);
CREATE TABLE console_tokens (
	token_hash VARCHAR(64) NOT NULL,
	server_id VARCHAR(36) NOT NULL,
	user_id VARCHAR(64) NOT NULL,
	kind VARCHAR(16) NOT NULL,
	asked_with TEXT DEFAULT '' NOT NULL,
	uses INTEGER DEFAULT '0' NOT NULL,
	expires_at BIGINT NOT NULL,
	CONSTRAINT pk_console_tokens PRIMARY KEY (token_hash)
);
CREATE INDEX ix_console_tokens_expires_at ON console_tokens (expires_at);
CREATE TABLE consumers (
	id VARCHAR(36) NOT NULL,
	generation INTEGER NOT NULL,
	project_id VARCHAR(255) NOT NULL,
	user_id VARCHAR(255) NOT NULL,
	consumer_type VARCHAR(255),
	CONSTRAINT pk_consumers PRIMARY KEY (id)
);
CREATE INDEX ix_consumers_project_id ON consumers (project_id);
CREATE TABLE credentials (
	id VARCHAR(64) NOT NULL,
	user_id VARCHAR(64) NOT NULL,
	project_id VARCHAR(64),
	type VARCHAR(255) NOT NULL,
	sealed TEXT NOT NULL,
	sealed_with VARCHAR(16) NOT NULL,
	trust_id VARCHAR(64),
	application_credential_id VARCHAR(64),
	access_token_id VARCHAR(64),
	extra TEXT NOT NULL,
	CONSTRAINT pk_credentials PRIMARY KEY (id)
);
CREATE INDEX ix_credentials_access_token_id ON credentials (access_token_id);
CREATE INDEX ix_credentials_application_credential_id ON credentials (application_credential_id);
CREATE INDEX ix_credentials_project_id ON credentials (project_id);
CREATE INDEX ix_credentials_sealed_with ON credentials (sealed_with);
CREATE INDEX ix_credentials_trust_id ON credentials (trust_id);
CREATE INDEX ix_credentials_user_id ON credentials (user_id);
CREATE TABLE debts (
	id VARCHAR(36) NOT NULL,
	host VARCHAR(255) NOT NULL,
	command BLOB NOT NULL,
	created_at BIGINT NOT NULL,
	error TEXT,
	CONSTRAINT pk_debts PRIMARY KEY (id)
);
CREATE INDEX ix_debts_host ON debts (host);
CREATE TABLE default_security_group_rules (
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(255) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description VARCHAR(255) NOT NULL,
	revision_number BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	direction VARCHAR(8) NOT NULL,
	ethertype VARCHAR(8) NOT NULL,
	protocol VARCHAR(40),
	port_range_min INTEGER,
	port_range_max INTEGER,
	remote_ip_prefix VARCHAR(64),
	remote_group_id VARCHAR(36),
	used_in_default_sg BOOLEAN NOT NULL,
	used_in_non_default_sg BOOLEAN NOT NULL,
	withdrawn BOOLEAN NOT NULL,
	canonical VARCHAR(255) NOT NULL,
	CONSTRAINT pk_default_security_group_rules PRIMARY KEY (id),
	CONSTRAINT uq_default_security_group_rules_canonical UNIQUE (canonical)
);
CREATE INDEX ix_default_security_group_rules_project_id ON default_security_group_rules (project_id);
CREATE TABLE directory_entries (
	public_id VARCHAR(64) NOT NULL,
	domain_id VARCHAR(64) NOT NULL,
	kind VARCHAR(5) NOT NULL,
	local_id VARCHAR(255) NOT NULL,
	CONSTRAINT pk_directory_entries PRIMARY KEY (public_id),
	CONSTRAINT uq_directory_entries_domain_id_kind_local_id UNIQUE (domain_id, kind, local_id)
);
CREATE TABLE domain_options (
	domain_id VARCHAR(64) NOT NULL,
	"group" VARCHAR(255) NOT NULL,
	option VARCHAR(255) NOT NULL,
	value TEXT,
	sealed TEXT DEFAULT '' NOT NULL,
	sealed_with VARCHAR(16) DEFAULT '' NOT NULL,
	CONSTRAINT pk_domain_options PRIMARY KEY (domain_id, "group", option)
);
CREATE TABLE endpoint_groups (
	id VARCHAR(64) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description TEXT,
	filters TEXT NOT NULL,
	CONSTRAINT pk_endpoint_groups PRIMARY KEY (id)
);
CREATE TABLE endpoints (
	id VARCHAR(64) NOT NULL,
	service_id VARCHAR(64) NOT NULL,
	interface VARCHAR(8) NOT NULL,
	region_id VARCHAR(255),
	url TEXT NOT NULL,
	enabled BOOLEAN NOT NULL,
	extra TEXT NOT NULL,
	CONSTRAINT pk_endpoints PRIMARY KEY (id)
);
CREATE INDEX ix_endpoints_service_id ON endpoints (service_id);
CREATE TABLE events (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	kind VARCHAR(64) NOT NULL,
	resource VARCHAR(100) NOT NULL,
	project_id VARCHAR(64),
	user_id VARCHAR(64),
	request_id VARCHAR(64) NOT NULL,
	payload TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	told BOOLEAN NOT NULL,
	CONSTRAINT pk_events PRIMARY KEY (sequence)
);
CREATE INDEX ix_events_created ON events (created_at);
CREATE INDEX ix_events_told ON events (told, sequence);
CREATE TABLE federated_memberships (
	user_id VARCHAR(64) NOT NULL,
	group_id VARCHAR(64) NOT NULL,
	idp_id VARCHAR(64) NOT NULL,
	expires_at BIGINT NOT NULL,
	CONSTRAINT pk_federated_memberships PRIMARY KEY (user_id, group_id)
);
CREATE INDEX ix_federated_memberships_group_id ON federated_memberships (group_id);
CREATE INDEX ix_federated_memberships_idp_id ON federated_memberships (idp_id);
CREATE TABLE federated_users (
	idp_id VARCHAR(64) NOT NULL,
	unique_id VARCHAR(255) NOT NULL,
	user_id VARCHAR(64) NOT NULL,
	protocol_id VARCHAR(64) NOT NULL,
	CONSTRAINT pk_federated_users PRIMARY KEY (idp_id, unique_id),
	CONSTRAINT uq_federated_users_user_id UNIQUE (user_id)
);
CREATE TABLE federation_protocols (
	idp_id VARCHAR(64) NOT NULL,
	id VARCHAR(64) NOT NULL,
	mapping_id VARCHAR(64) NOT NULL,
	remote_id_attribute VARCHAR(64),
	CONSTRAINT pk_federation_protocols PRIMARY KEY (idp_id, id)
);
CREATE INDEX ix_federation_protocols_mapping_id ON federation_protocols (mapping_id);
CREATE TABLE flavor_access (
	flavor_id VARCHAR(255) NOT NULL,
	project_id VARCHAR(255) NOT NULL,
	CONSTRAINT pk_flavor_access PRIMARY KEY (flavor_id, project_id)
);
CREATE INDEX ix_flavor_access_project_id ON flavor_access (project_id);
CREATE TABLE flavors (
	id VARCHAR(255) NOT NULL,
	name VARCHAR(255) NOT NULL,
	vcpus INTEGER NOT NULL,
	memory_mib INTEGER NOT NULL,
	disk_gib INTEGER NOT NULL,
	ephemeral_gib INTEGER NOT NULL,
	swap_mib INTEGER NOT NULL,
	rxtx_factor FLOAT NOT NULL,
	is_public BOOLEAN NOT NULL,
	description TEXT,
	extra_specs TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	CONSTRAINT pk_flavors PRIMARY KEY (id),
	CONSTRAINT uq_flavors_name UNIQUE (name)
);
CREATE TABLE group_members (
	group_id VARCHAR(64) NOT NULL,
	user_id VARCHAR(64) NOT NULL,
	CONSTRAINT pk_group_members PRIMARY KEY (group_id, user_id)
);
CREATE INDEX ix_group_members_user_id ON group_members (user_id);
CREATE TABLE group_snapshots (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	group_id VARCHAR(36) NOT NULL,
	group_type_id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	user_id VARCHAR(64) NOT NULL,
	name VARCHAR(255),
	description VARCHAR(255),
	status VARCHAR(32) NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	CONSTRAINT pk_group_snapshots PRIMARY KEY (sequence),
	CONSTRAINT uq_group_snapshots_id UNIQUE (id)
);
CREATE INDEX ix_group_snapshots_created ON group_snapshots (created_at, sequence);
CREATE INDEX ix_group_snapshots_group_id ON group_snapshots (group_id);
CREATE INDEX ix_group_snapshots_project_created ON group_snapshots (project_id, created_at, sequence);
CREATE TABLE group_types (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description VARCHAR(255),
	is_public BOOLEAN NOT NULL,
	specs TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	CONSTRAINT pk_group_types PRIMARY KEY (sequence),
	CONSTRAINT uq_group_types_id UNIQUE (id),
	CONSTRAINT uq_group_types_name UNIQUE (name)
);
CREATE TABLE groups (
	id VARCHAR(64) NOT NULL,
	name VARCHAR(64) NOT NULL,
	domain_id VARCHAR(64) NOT NULL,
	description TEXT,
	extra TEXT NOT NULL,
	name_key VARCHAR(1024) DEFAULT '' NOT NULL,
	CONSTRAINT pk_groups PRIMARY KEY (id),
	CONSTRAINT uq_groups_domain_id_name UNIQUE (domain_id, name)
);
CREATE INDEX ix_groups_name ON groups (name);
CREATE UNIQUE INDEX ux_groups_name_key ON groups (name_key, domain_id);
CREATE TABLE host_certificates (
	serial VARCHAR(64) NOT NULL,
	host VARCHAR(63) NOT NULL,
	revoked BOOLEAN NOT NULL,
	key_hash VARCHAR(64),
	ends_at BIGINT NOT NULL,
	CONSTRAINT pk_host_certificates PRIMARY KEY (serial)
);
CREATE INDEX ix_host_certificates_host ON host_certificates (host);
CREATE TABLE identity_providers (
	id VARCHAR(64) NOT NULL,
	domain_id VARCHAR(64) NOT NULL,
	enabled BOOLEAN NOT NULL,
	description TEXT,
	authorization_ttl INTEGER,
	CONSTRAINT pk_identity_providers PRIMARY KEY (id)
);
CREATE INDEX ix_identity_providers_domain_id ON identity_providers (domain_id);
CREATE TABLE identity_state (
	id INTEGER NOT NULL,
	revision BIGINT NOT NULL,
	CONSTRAINT pk_identity_state PRIMARY KEY (id)
);
CREATE TABLE idp_remote_ids (
	remote_id VARCHAR(255) NOT NULL,
	idp_id VARCHAR(64) NOT NULL,
	ordinal INTEGER NOT NULL,
	CONSTRAINT pk_idp_remote_ids PRIMARY KEY (remote_id)
);
CREATE INDEX ix_idp_remote_ids_idp_id ON idp_remote_ids (idp_id);
CREATE TABLE image_cache (
	image_id VARCHAR(36) NOT NULL,
	status VARCHAR(10) NOT NULL,
	queued_at BIGINT NOT NULL,
	cached_at BIGINT,
	last_accessed_at BIGINT,
	hits INTEGER NOT NULL,
	size BIGINT,
	CONSTRAINT pk_image_cache PRIMARY KEY (image_id)
);
CREATE TABLE image_locations (
	id VARCHAR(36) NOT NULL,
	image_id VARCHAR(36) NOT NULL,
	position INTEGER NOT NULL,
	store VARCHAR(64) NOT NULL,
	address VARCHAR(1024) NOT NULL,
	metadata TEXT NOT NULL,
	CONSTRAINT pk_image_locations PRIMARY KEY (id),
	CONSTRAINT uq_image_locations_image_id_store_address UNIQUE (image_id, store, address)
);
CREATE INDEX ix_image_locations_address ON image_locations (address);
CREATE TABLE image_members (
	image_id VARCHAR(36) NOT NULL,
	member_id VARCHAR(255) NOT NULL,
	status VARCHAR(20) NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	CONSTRAINT pk_image_members PRIMARY KEY (image_id, member_id)
);
CREATE INDEX ix_image_members_member_id ON image_members (member_id);
CREATE TABLE image_properties (
	image_id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	value TEXT NOT NULL,
	value_start VARCHAR(64) DEFAULT '' NOT NULL,
	CONSTRAINT pk_image_properties PRIMARY KEY (image_id, name)
);
CREATE INDEX ix_image_properties_found ON image_properties (name, value_start);
CREATE TABLE image_tags (
	image_id VARCHAR(36) NOT NULL,
	tag VARCHAR(255) NOT NULL,
	CONSTRAINT pk_image_tags PRIMARY KEY (image_id, tag)
);
CREATE INDEX ix_image_tags_tag ON image_tags (tag);
CREATE TABLE image_tasks (
	id VARCHAR(36) NOT NULL,
	type VARCHAR(30) NOT NULL,
	status VARCHAR(30) NOT NULL,
	owner VARCHAR(255) NOT NULL,
	image_id VARCHAR(36),
	request_id VARCHAR(64),
	user_id VARCHAR(64),
	input TEXT NOT NULL,
	result TEXT,
	message TEXT NOT NULL,
	expires_at BIGINT,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	CONSTRAINT pk_image_tasks PRIMARY KEY (id)
);
CREATE INDEX ix_image_tasks_image_id ON image_tasks (image_id);
CREATE INDEX ix_image_tasks_owner ON image_tasks (owner, created_at);
CREATE TABLE image_trash (
	store VARCHAR(64) NOT NULL,
	address VARCHAR(1024) NOT NULL,
	created_at BIGINT NOT NULL,
	CONSTRAINT pk_image_trash PRIMARY KEY (store, address)
);
CREATE TABLE image_used_ids (
	id VARCHAR(36) NOT NULL,
	CONSTRAINT pk_image_used_ids PRIMARY KEY (id)
);
CREATE TABLE images (
	id VARCHAR(36) NOT NULL,
	name VARCHAR(255),
	owner VARCHAR(255) NOT NULL,
	status VARCHAR(30) NOT NULL,
	visibility VARCHAR(9) NOT NULL,
	protected BOOLEAN NOT NULL,
	os_hidden BOOLEAN NOT NULL,
	disk_format VARCHAR(20),
	container_format VARCHAR(20),
	size BIGINT,
	virtual_size BIGINT,
	checksum VARCHAR(32),
	os_hash_algo VARCHAR(64),
	os_hash_value VARCHAR(128),
	min_disk INTEGER NOT NULL,
	min_ram INTEGER NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	upload INTEGER NOT NULL,
	upload_seen_at BIGINT,
	upload_store VARCHAR(64),
	import_task VARCHAR(36),
	importing_to TEXT,
	failed_import TEXT,
	signed_as VARCHAR(64),
	CONSTRAINT pk_images PRIMARY KEY (id)
);
CREATE INDEX ix_images_created ON images (created_at, id);
CREATE INDEX ix_images_name ON images (name);
CREATE INDEX ix_images_owner ON images (owner);
CREATE INDEX ix_images_visibility ON images (visibility);
CREATE TABLE implied_roles (
	prior_id VARCHAR(64) NOT NULL,
	implied_id VARCHAR(64) NOT NULL,
	CONSTRAINT pk_implied_roles PRIMARY KEY (prior_id, implied_id)
);
CREATE TABLE inventories (
	provider_id VARCHAR(36) NOT NULL,
	resource_class VARCHAR(255) NOT NULL,
	total BIGINT NOT NULL,
	reserved BIGINT NOT NULL,
	min_unit BIGINT NOT NULL,
	max_unit BIGINT NOT NULL,
	step_size BIGINT NOT NULL,
	allocation_ratio FLOAT NOT NULL,
	used BIGINT NOT NULL,
	free FLOAT NOT NULL GENERATED ALWAYS AS ((total - reserved) * allocation_ratio - used) STORED,
	CONSTRAINT pk_inventories PRIMARY KEY (provider_id, resource_class)
);
CREATE INDEX ix_inventories_free ON inventories (resource_class, free, provider_id);
CREATE TABLE join_tokens (
	hash VARCHAR(64) NOT NULL,
	ends_at BIGINT NOT NULL,
	used_by VARCHAR(63),
	roles VARCHAR(100),
	CONSTRAINT pk_join_tokens PRIMARY KEY (hash)
);
CREATE TABLE key_manager_consumers (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	owner_id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	service VARCHAR(255) NOT NULL,
	resource_type VARCHAR(255) NOT NULL,
	resource_id VARCHAR(255) NOT NULL,
	holder VARCHAR(36) NOT NULL,
	created_at BIGINT NOT NULL,
	mark VARCHAR(64) NOT NULL,
	CONSTRAINT pk_key_manager_consumers PRIMARY KEY (sequence),
	CONSTRAINT uq_key_manager_consumers_owner_id_mark UNIQUE (owner_id, mark),
	CONSTRAINT uq_key_manager_consumers_id UNIQUE (id)
);
CREATE INDEX ix_key_manager_consumers_holder ON key_manager_consumers (holder);
CREATE INDEX ix_key_manager_consumers_project_id ON key_manager_consumers (project_id);
CREATE TABLE key_manager_containers (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	creator_id VARCHAR(64) NOT NULL,
	name VARCHAR(255),
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	project_access BOOLEAN NOT NULL,
	acl_created_at BIGINT,
	acl_updated_at BIGINT,
	type VARCHAR(20) NOT NULL,
	CONSTRAINT pk_key_manager_containers PRIMARY KEY (sequence),
	CONSTRAINT uq_key_manager_containers_id UNIQUE (id)
);
CREATE INDEX ix_key_manager_containers_project_id ON key_manager_containers (project_id);
CREATE TABLE key_manager_contents (
	sequence INTEGER NOT NULL,
	container_id VARCHAR(36) NOT NULL,
	secret_id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	CONSTRAINT pk_key_manager_contents PRIMARY KEY (sequence),
	CONSTRAINT uq_key_manager_contents_container_id_secret_id_name UNIQUE (container_id, secret_id, name)
);
CREATE INDEX ix_key_manager_contents_secret_id ON key_manager_contents (secret_id);
CREATE TABLE key_manager_metadata (
	secret_id VARCHAR(36) NOT NULL,
	"key" VARCHAR(255) NOT NULL,
	value VARCHAR(255) NOT NULL,
	CONSTRAINT pk_key_manager_metadata PRIMARY KEY (secret_id, "key")
);
CREATE TABLE key_manager_orders (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	creator_id VARCHAR(64) NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	type VARCHAR(20) NOT NULL,
	meta TEXT NOT NULL,
	status VARCHAR(20) NOT NULL,
	secret_id VARCHAR(36),
	container_id VARCHAR(36),
	error_code VARCHAR(3),
	error_reason VARCHAR(255),
	sealed TEXT,
	CONSTRAINT pk_key_manager_orders PRIMARY KEY (sequence),
	CONSTRAINT uq_key_manager_orders_id UNIQUE (id)
);
CREATE INDEX ix_key_manager_orders_project_id ON key_manager_orders (project_id);
CREATE TABLE key_manager_preferred_stores (
	project_id VARCHAR(64) NOT NULL,
	store_id VARCHAR(36) NOT NULL,
	CONSTRAINT pk_key_manager_preferred_stores PRIMARY KEY (project_id)
);
CREATE TABLE key_manager_readers (
	owner_id VARCHAR(36) NOT NULL,
	user_id VARCHAR(255) NOT NULL,
	CONSTRAINT pk_key_manager_readers PRIMARY KEY (owner_id, user_id)
);
CREATE INDEX ix_key_manager_readers_user_id ON key_manager_readers (user_id);
CREATE TABLE key_manager_secrets (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	creator_id VARCHAR(64) NOT NULL,
	name VARCHAR(255),
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	project_access BOOLEAN NOT NULL,
	acl_created_at BIGINT,
	acl_updated_at BIGINT,
	secret_type VARCHAR(80) NOT NULL,
	algorithm VARCHAR(255),
	mode VARCHAR(255),
	bit_length INTEGER,
	expiration BIGINT,
	content_type VARCHAR(64),
	sealed TEXT,
	CONSTRAINT pk_key_manager_secrets PRIMARY KEY (sequence),
	CONSTRAINT uq_key_manager_secrets_id UNIQUE (id)
);
CREATE INDEX ix_key_manager_secrets_expiration ON key_manager_secrets (expiration);
CREATE INDEX ix_key_manager_secrets_project_id ON key_manager_secrets (project_id);
CREATE TABLE key_manager_stores (
	id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	CONSTRAINT pk_key_manager_stores PRIMARY KEY (id),
	CONSTRAINT uq_key_manager_stores_name UNIQUE (name)
);
CREATE TABLE keypairs (
	sequence INTEGER NOT NULL,
	user_id VARCHAR(64) NOT NULL,
	name VARCHAR(255) NOT NULL,
	type VARCHAR(8) NOT NULL,
	public_key TEXT NOT NULL,
	fingerprint VARCHAR(255) NOT NULL,
	created_at BIGINT NOT NULL,
	CONSTRAINT pk_keypairs PRIMARY KEY (sequence),
	CONSTRAINT uq_keypairs_user_id_name UNIQUE (user_id, name)
);
CREATE TABLE lb_availability_zone_profiles (
	id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	provider_name VARCHAR(255) NOT NULL,
	availability_zone_data TEXT NOT NULL,
	CONSTRAINT pk_lb_availability_zone_profiles PRIMARY KEY (id)
);
CREATE TABLE lb_flavor_profiles (
	id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	provider_name VARCHAR(255) NOT NULL,
	flavor_data TEXT NOT NULL,
	CONSTRAINT pk_lb_flavor_profiles PRIMARY KEY (id)
);
CREATE TABLE lb_load_balancers (
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	provisioning_status VARCHAR(16) NOT NULL,
	operating_status VARCHAR(16) NOT NULL,
	admin_state_up BOOLEAN NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	name VARCHAR(255) NOT NULL,
	description VARCHAR(255) NOT NULL,
	provider VARCHAR(64) NOT NULL,
	flavor_id VARCHAR(36),
	availability_zone VARCHAR(255),
	vip_address VARCHAR(64) NOT NULL,
	vip_network_id VARCHAR(36) NOT NULL,
	vip_subnet_id VARCHAR(36),
	vip_port_id VARCHAR(36) NOT NULL,
	vip_qos_policy_id VARCHAR(36),
	vip_vnic_type VARCHAR(64) NOT NULL,
	vip_sg_ids TEXT NOT NULL,
	vip_made BOOLEAN NOT NULL,
	additional_vips TEXT NOT NULL,
	carrier_id VARCHAR(36),
	host VARCHAR(255),
	generation INTEGER DEFAULT '0' NOT NULL,
	terms TEXT NOT NULL,
	problem TEXT,
	CONSTRAINT pk_lb_load_balancers PRIMARY KEY (id)
);
CREATE INDEX ix_lb_load_balancers_carrier_id ON lb_load_balancers (carrier_id);
CREATE INDEX ix_lb_load_balancers_host ON lb_load_balancers (host);
CREATE INDEX ix_lb_load_balancers_project_id ON lb_load_balancers (project_id);
CREATE INDEX ix_lb_load_balancers_vip_port_id ON lb_load_balancers (vip_port_id);
CREATE TABLE lb_tags (
	resource_id VARCHAR(36) NOT NULL,
	tag VARCHAR(255) NOT NULL,
	position INTEGER NOT NULL,
	CONSTRAINT pk_lb_tags PRIMARY KEY (resource_id, tag)
);
CREATE TABLE leases (
	name VARCHAR(64) NOT NULL,
	holder VARCHAR(64) NOT NULL,
	until BIGINT NOT NULL,
	CONSTRAINT pk_leases PRIMARY KEY (name)
);
CREATE TABLE mappings (
	id VARCHAR(64) NOT NULL,
	rules TEXT NOT NULL,
	schema_version VARCHAR(5) NOT NULL,
	CONSTRAINT pk_mappings PRIMARY KEY (id)
);
CREATE TABLE metadef_namespaces (
	id VARCHAR(36) NOT NULL,
	namespace VARCHAR(80) NOT NULL,
	display_name VARCHAR(80),
	description TEXT,
	visibility VARCHAR(10) NOT NULL,
	protected BOOLEAN NOT NULL,
	owner VARCHAR(255) NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	CONSTRAINT pk_metadef_namespaces PRIMARY KEY (id),
	CONSTRAINT uq_metadef_namespaces_namespace UNIQUE (namespace)
);
CREATE TABLE metadef_resource_types (
	name VARCHAR(80) NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	CONSTRAINT pk_metadef_resource_types PRIMARY KEY (name)
);
CREATE TABLE metric_archive_policies (
	name VARCHAR(255) NOT NULL,
	back_window INTEGER NOT NULL,
	definition TEXT NOT NULL,
	aggregation_methods TEXT NOT NULL,
	CONSTRAINT pk_metric_archive_policies PRIMARY KEY (name)
);
CREATE TABLE metric_archive_policy_rules (
	name VARCHAR(255) NOT NULL,
	archive_policy_name VARCHAR(255) NOT NULL,
	metric_pattern VARCHAR(255) NOT NULL,
	CONSTRAINT pk_metric_archive_policy_rules PRIMARY KEY (name)
);
CREATE INDEX ix_metric_archive_policy_rules_archive_policy_name ON metric_archive_policy_rules (archive_policy_name);
CREATE TABLE metric_blocks (
	metric BIGINT NOT NULL,
	granularity BIGINT NOT NULL,
	number BIGINT NOT NULL,
	payload BLOB NOT NULL,
	CONSTRAINT pk_metric_blocks PRIMARY KEY (metric, granularity, number)
);
CREATE TABLE metric_exposed (
	source VARCHAR(255) NOT NULL,
	service VARCHAR(64) NOT NULL,
	part INTEGER NOT NULL,
	payload BLOB NOT NULL,
	until BIGINT NOT NULL,
	CONSTRAINT pk_metric_exposed PRIMARY KEY (source, service, part)
);
CREATE TABLE metric_incoming (
	sequence INTEGER NOT NULL,
	metric BIGINT NOT NULL,
	points INTEGER NOT NULL,
	payload BLOB NOT NULL,
	received_at BIGINT NOT NULL,
	CONSTRAINT pk_metric_incoming PRIMARY KEY (sequence)
);
CREATE INDEX ix_metric_incoming_metric ON metric_incoming (metric);
CREATE TABLE metric_metrics (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	name VARCHAR(255),
	unit VARCHAR(31),
	archive_policy_name VARCHAR(255) NOT NULL,
	creator_user VARCHAR(64) NOT NULL,
	creator_project VARCHAR(64) NOT NULL,
	resource_id VARCHAR(36),
	deleted BOOLEAN NOT NULL,
	CONSTRAINT pk_metric_metrics PRIMARY KEY (sequence),
	CONSTRAINT uq_metric_metrics_resource_id_name UNIQUE (resource_id, name),
	CONSTRAINT uq_metric_metrics_id UNIQUE (id)
);
CREATE INDEX ix_metric_metrics_archive_policy_name ON metric_metrics (archive_policy_name);
CREATE INDEX ix_metric_metrics_creator_project ON metric_metrics (creator_project);
CREATE INDEX ix_metric_metrics_deleted ON metric_metrics (deleted);
CREATE TABLE metric_outgoing (
	sequence INTEGER NOT NULL,
	publisher VARCHAR(64) NOT NULL,
	message_id VARCHAR(128) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	payload BLOB NOT NULL,
	CONSTRAINT pk_metric_outgoing PRIMARY KEY (sequence),
	CONSTRAINT uq_metric_outgoing_publisher_message_id UNIQUE (publisher, message_id)
);
CREATE TABLE metric_resource_revisions (
	sequence INTEGER NOT NULL,
	resource_id VARCHAR(36) NOT NULL,
	user_id VARCHAR(255),
	project_id VARCHAR(255),
	started_at BIGINT NOT NULL,
	ended_at BIGINT,
	revision_start BIGINT NOT NULL,
	revision_end BIGINT NOT NULL,
	attributes TEXT NOT NULL,
	CONSTRAINT pk_metric_resource_revisions PRIMARY KEY (sequence)
);
CREATE INDEX ix_metric_resource_revisions_resource_id ON metric_resource_revisions (resource_id);
CREATE TABLE metric_resource_types (
	name VARCHAR(255) NOT NULL,
	attributes TEXT NOT NULL,
	CONSTRAINT pk_metric_resource_types PRIMARY KEY (name)
);
CREATE TABLE metric_resources (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	original_resource_id VARCHAR(289) NOT NULL,
	type VARCHAR(255) NOT NULL,
	user_id VARCHAR(255),
	project_id VARCHAR(255),
	creator_user VARCHAR(64) NOT NULL,
	creator_project VARCHAR(64) NOT NULL,
	started_at BIGINT NOT NULL,
	ended_at BIGINT,
	revision_start BIGINT NOT NULL,
	attributes TEXT NOT NULL,
	CONSTRAINT pk_metric_resources PRIMARY KEY (sequence),
	CONSTRAINT uq_metric_resources_id UNIQUE (id)
);
CREATE INDEX ix_metric_resources_creator_project ON metric_resources (creator_project);
CREATE INDEX ix_metric_resources_project_id ON metric_resources (project_id);
CREATE INDEX ix_metric_resources_type ON metric_resources (type);
CREATE TABLE metric_tails (
	metric BIGINT NOT NULL,
	payload BLOB NOT NULL,
	CONSTRAINT pk_metric_tails PRIMARY KEY (metric)
);
CREATE TABLE network_agents (
	id VARCHAR(36) NOT NULL,
	agent_type VARCHAR(64) NOT NULL,
	binary VARCHAR(64) NOT NULL,
	host VARCHAR(255) NOT NULL,
	description VARCHAR(255) NOT NULL,
	admin_state_up BOOLEAN NOT NULL,
	created_at BIGINT NOT NULL,
	heard_at BIGINT NOT NULL,
	silent_at BIGINT,
	CONSTRAINT pk_network_agents PRIMARY KEY (id)
);
CREATE INDEX ix_network_agents_host ON network_agents (host);
CREATE TABLE network_auto_topologies (
	project_id VARCHAR(255) NOT NULL,
	network_id VARCHAR(36) NOT NULL,
	router_id VARCHAR(36) NOT NULL,
	CONSTRAINT pk_network_auto_topologies PRIMARY KEY (project_id)
);
CREATE TABLE network_flavors (
	id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description VARCHAR(1024) NOT NULL,
	service_type VARCHAR(36) NOT NULL,
	enabled BOOLEAN NOT NULL,
	CONSTRAINT pk_network_flavors PRIMARY KEY (id)
);
CREATE TABLE network_logs (
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(255) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description VARCHAR(255) NOT NULL,
	revision_number BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	resource_type VARCHAR(36) NOT NULL,
	resource_id VARCHAR(36),
	target_id VARCHAR(36),
	event VARCHAR(8) NOT NULL,
	enabled BOOLEAN NOT NULL,
	CONSTRAINT pk_network_logs PRIMARY KEY (id)
);
CREATE INDEX ix_network_logs_project_id ON network_logs (project_id);
CREATE INDEX ix_network_logs_resource_id ON network_logs (resource_id);
CREATE INDEX ix_network_logs_target_id ON network_logs (target_id);
CREATE TABLE network_scopes (
	scope VARCHAR(64) NOT NULL,
	wanted BIGINT NOT NULL,
	applied BIGINT NOT NULL,
	problem VARCHAR(255),
	CONSTRAINT pk_network_scopes PRIMARY KEY (scope)
);
CREATE INDEX ix_network_scopes_dirty ON network_scopes (scope) WHERE applied < wanted;
CREATE TABLE network_segment_ranges (
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(255) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description VARCHAR(255) NOT NULL,
	revision_number BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	"default" BOOLEAN NOT NULL,
	shared BOOLEAN NOT NULL,
	network_type VARCHAR(32) NOT NULL,
	physical_network VARCHAR(64),
	minimum INTEGER NOT NULL,
	maximum INTEGER NOT NULL,
	CONSTRAINT pk_network_segment_ranges PRIMARY KEY (id)
);
CREATE INDEX ix_network_segment_ranges_project_id ON network_segment_ranges (project_id);
CREATE TABLE network_tags (
	resource_id VARCHAR(36) NOT NULL,
	tag VARCHAR(255) NOT NULL,
	CONSTRAINT pk_network_tags PRIMARY KEY (resource_id, tag)
);
CREATE INDEX ix_network_tags_tag ON network_tags (tag);
CREATE TABLE oauth_access_tokens (
	id VARCHAR(64) NOT NULL,
	consumer_id VARCHAR(64) NOT NULL,
	user_id VARCHAR(64) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	sealed TEXT NOT NULL,
	sealed_with VARCHAR(16) NOT NULL,
	role_ids TEXT NOT NULL,
	expires_at BIGINT,
	CONSTRAINT pk_oauth_access_tokens PRIMARY KEY (id)
);
CREATE INDEX ix_oauth_access_tokens_consumer_id ON oauth_access_tokens (consumer_id);
CREATE INDEX ix_oauth_access_tokens_project_id ON oauth_access_tokens (project_id);
CREATE INDEX ix_oauth_access_tokens_sealed_with ON oauth_access_tokens (sealed_with);
CREATE INDEX ix_oauth_access_tokens_user_id ON oauth_access_tokens (user_id);
CREATE TABLE oauth_consumers (
	id VARCHAR(64) NOT NULL,
	description TEXT,
	sealed TEXT NOT NULL,
	sealed_with VARCHAR(16) NOT NULL,
	extra TEXT NOT NULL,
	CONSTRAINT pk_oauth_consumers PRIMARY KEY (id)
);
CREATE INDEX ix_oauth_consumers_sealed_with ON oauth_consumers (sealed_with);
CREATE TABLE oauth_nonces (
	consumer_id VARCHAR(64) NOT NULL,
	nonce VARCHAR(64) NOT NULL,
	forget_at BIGINT NOT NULL,
	CONSTRAINT pk_oauth_nonces PRIMARY KEY (consumer_id, nonce)
);
CREATE INDEX ix_oauth_nonces_forget_at ON oauth_nonces (forget_at);
CREATE TABLE oauth_request_tokens (
	id VARCHAR(64) NOT NULL,
	consumer_id VARCHAR(64) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	sealed TEXT NOT NULL,
	sealed_with VARCHAR(16) NOT NULL,
	verifier VARCHAR(64),
	user_id VARCHAR(64),
	role_ids TEXT,
	expires_at BIGINT,
	CONSTRAINT pk_oauth_request_tokens PRIMARY KEY (id)
);
CREATE INDEX ix_oauth_request_tokens_consumer_id ON oauth_request_tokens (consumer_id);
CREATE INDEX ix_oauth_request_tokens_expires_at ON oauth_request_tokens (expires_at);
CREATE INDEX ix_oauth_request_tokens_project_id ON oauth_request_tokens (project_id);
CREATE INDEX ix_oauth_request_tokens_sealed_with ON oauth_request_tokens (sealed_with);
CREATE INDEX ix_oauth_request_tokens_user_id ON oauth_request_tokens (user_id);
CREATE TABLE object_accounts (
	id VARCHAR(64) NOT NULL,
	created_us BIGINT NOT NULL,
	metadata TEXT NOT NULL,
	containers BIGINT NOT NULL,
	objects BIGINT NOT NULL,
	bytes BIGINT NOT NULL,
	CONSTRAINT pk_object_accounts PRIMARY KEY (id)
);
CREATE TABLE object_containers (
	id INTEGER NOT NULL,
	account VARCHAR(64) NOT NULL,
	name TEXT NOT NULL,
	created_us BIGINT NOT NULL,
	changed_us BIGINT NOT NULL,
	metadata TEXT NOT NULL,
	read_acl TEXT NOT NULL,
	write_acl TEXT NOT NULL,
	versions_mode VARCHAR(10) NOT NULL,
	versions_location TEXT NOT NULL,
	objects BIGINT NOT NULL,
	bytes BIGINT NOT NULL,
	CONSTRAINT pk_object_containers PRIMARY KEY (id),
	CONSTRAINT uq_object_containers_name UNIQUE (account, name)
);
CREATE TABLE object_garbage (
	blob VARCHAR(36) NOT NULL,
	seen_us BIGINT DEFAULT '0' NOT NULL,
	CONSTRAINT pk_object_garbage PRIMARY KEY (blob)
);
CREATE INDEX ix_object_garbage_seen_us ON object_garbage (seen_us);
CREATE TABLE object_parts (
	upload VARCHAR(36) NOT NULL,
	number INTEGER NOT NULL,
	blob VARCHAR(36) NOT NULL,
	size BIGINT NOT NULL,
	etag VARCHAR(64) NOT NULL,
	checksum VARCHAR(100) NOT NULL,
	created_us BIGINT NOT NULL,
	CONSTRAINT pk_object_parts PRIMARY KEY (upload, number)
);
CREATE INDEX ix_object_parts_blob ON object_parts (blob);
CREATE TABLE object_place (
	id INTEGER NOT NULL,
	name VARCHAR(20) NOT NULL,
	moving BOOLEAN NOT NULL,
	moved_blobs BIGINT NOT NULL,
	moved_bytes BIGINT NOT NULL,
	CONSTRAINT pk_object_place PRIMARY KEY (id)
);
CREATE TABLE object_uploads (
	id VARCHAR(36) NOT NULL,
	container_id BIGINT NOT NULL,
	name TEXT NOT NULL,
	created_us BIGINT NOT NULL,
	content_type TEXT NOT NULL,
	headers TEXT NOT NULL,
	CONSTRAINT pk_object_uploads PRIMARY KEY (id)
);
CREATE INDEX ix_object_uploads_name ON object_uploads (container_id, name, id);
CREATE TABLE object_versions (
	container_id BIGINT NOT NULL,
	name TEXT NOT NULL,
	at_us BIGINT NOT NULL,
	blob VARCHAR(36) NOT NULL,
	size BIGINT NOT NULL,
	stored BIGINT NOT NULL,
	etag VARCHAR(64) NOT NULL,
	content_type TEXT NOT NULL,
	headers TEXT NOT NULL,
	created_us BIGINT NOT NULL,
	delete_at BIGINT,
	kind VARCHAR(10) NOT NULL,
	target TEXT NOT NULL,
	target_etag VARCHAR(64) NOT NULL,
	version_us BIGINT DEFAULT '0' NOT NULL,
	CONSTRAINT pk_object_versions PRIMARY KEY (container_id, name, at_us)
);
CREATE INDEX ix_object_versions_blob ON object_versions (blob);
CREATE TABLE objects (
	container_id BIGINT NOT NULL,
	name TEXT NOT NULL,
	blob VARCHAR(36) NOT NULL,
	size BIGINT NOT NULL,
	stored BIGINT NOT NULL,
	etag VARCHAR(64) NOT NULL,
	content_type TEXT NOT NULL,
	headers TEXT NOT NULL,
	created_us BIGINT NOT NULL,
	delete_at BIGINT,
	kind VARCHAR(10) NOT NULL,
	target TEXT NOT NULL,
	target_etag VARCHAR(64) NOT NULL,
	version_us BIGINT DEFAULT '0' NOT NULL,
	CONSTRAINT pk_objects PRIMARY KEY (container_id, name)
);
CREATE INDEX ix_objects_blob ON objects (blob);
CREATE INDEX ix_objects_delete_at ON objects (delete_at);
CREATE TABLE operation_steps (
	operation_id VARCHAR(36) NOT NULL,
	position INTEGER NOT NULL,
	name VARCHAR(64) NOT NULL,
	state VARCHAR(16) NOT NULL,
	started_at BIGINT NOT NULL,
	finished_at BIGINT,
	host VARCHAR(255),
	error TEXT,
	result BLOB,
	CONSTRAINT pk_operation_steps PRIMARY KEY (operation_id, position)
);
CREATE TABLE operations (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	kind VARCHAR(64) NOT NULL,
	resource VARCHAR(100) NOT NULL,
	arguments TEXT NOT NULL,
	state VARCHAR(16) NOT NULL,
	active BOOLEAN NOT NULL,
	step INTEGER NOT NULL,
	attempts INTEGER NOT NULL,
	cancelled BOOLEAN NOT NULL,
	error TEXT,
	error_detail TEXT,
	failed_step VARCHAR(64),
	taking INTEGER NOT NULL,
	worker VARCHAR(64),
	lease_until BIGINT,
	not_before BIGINT,
	request_id VARCHAR(64) NOT NULL,
	user_id VARCHAR(64),
	project_id VARCHAR(64),
	started_at BIGINT NOT NULL,
	finished_at BIGINT,
	parent VARCHAR(36),
	parent_step VARCHAR(64),
	queue VARCHAR(300) DEFAULT 'any' NOT NULL,
	pool VARCHAR(16) DEFAULT 'quick' NOT NULL,
	deadline_at BIGINT,
	step_deadline_at BIGINT,
	progress INTEGER,
	waits_for TEXT,
	waits_on VARCHAR(255),
	stuck_since BIGINT,
	stuck_why TEXT,
	CONSTRAINT pk_operations PRIMARY KEY (sequence),
	CONSTRAINT uq_operations_id UNIQUE (id)
);
CREATE INDEX ix_operations_active ON operations (active, sequence);
CREATE INDEX ix_operations_parent ON operations (parent);
CREATE INDEX ix_operations_resource ON operations (resource, sequence);
CREATE INDEX ix_operations_shares ON operations (active, pool, project_id);
CREATE INDEX ix_operations_waits_on ON operations (waits_on);
CREATE TABLE orchestration_events (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	stack_id VARCHAR(36) NOT NULL,
	root_id VARCHAR(36) NOT NULL,
	resource_name VARCHAR(255) NOT NULL,
	resource_type VARCHAR(255) NOT NULL,
	physical_id VARCHAR(255),
	action VARCHAR(16) NOT NULL,
	status VARCHAR(16) NOT NULL,
	reason TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	CONSTRAINT pk_orchestration_events PRIMARY KEY (sequence),
	CONSTRAINT uq_orchestration_events_id UNIQUE (id)
);
CREATE INDEX ix_orchestration_events_root_id ON orchestration_events (root_id);
CREATE INDEX ix_orchestration_events_stack ON orchestration_events (stack_id, sequence);
CREATE TABLE orchestration_resources (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	stack_id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	type VARCHAR(255) NOT NULL,
	physical_id VARCHAR(255),
	action VARCHAR(16) NOT NULL,
	status VARCHAR(16) NOT NULL,
	reason TEXT NOT NULL,
	created_at BIGINT,
	updated_at BIGINT,
	metadata TEXT NOT NULL,
	secret TEXT NOT NULL,
	requires TEXT NOT NULL,
	replaced_by VARCHAR(36),
	replaces VARCHAR(36),
	traversal VARCHAR(36) NOT NULL,
	attempt VARCHAR(64) NOT NULL,
	CONSTRAINT pk_orchestration_resources PRIMARY KEY (sequence),
	CONSTRAINT uq_orchestration_resources_id UNIQUE (id)
);
CREATE INDEX ix_orchestration_resources_physical_id ON orchestration_resources (physical_id);
CREATE INDEX ix_orchestration_resources_stack_id ON orchestration_resources (stack_id);
CREATE TABLE orchestration_signals (
	sequence INTEGER NOT NULL,
	resource_id VARCHAR(36) NOT NULL,
	details TEXT NOT NULL,
	CONSTRAINT pk_orchestration_signals PRIMARY KEY (sequence)
);
CREATE INDEX ix_orchestration_signals_resource_id ON orchestration_signals (resource_id);
CREATE TABLE orchestration_snapshots (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	stack_id VARCHAR(36) NOT NULL,
	name VARCHAR(255),
	status VARCHAR(16) NOT NULL,
	reason TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	data TEXT NOT NULL,
	CONSTRAINT pk_orchestration_snapshots PRIMARY KEY (sequence),
	CONSTRAINT uq_orchestration_snapshots_id UNIQUE (id)
);
CREATE INDEX ix_orchestration_snapshots_stack_id ON orchestration_snapshots (stack_id);
CREATE TABLE orchestration_software_configs (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	name VARCHAR(255) NOT NULL,
	"group" VARCHAR(255) NOT NULL,
	config TEXT NOT NULL,
	inputs TEXT NOT NULL,
	outputs TEXT NOT NULL,
	options TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	CONSTRAINT pk_orchestration_software_configs PRIMARY KEY (sequence),
	CONSTRAINT uq_orchestration_software_configs_id UNIQUE (id)
);
CREATE INDEX ix_orchestration_software_configs_project_id ON orchestration_software_configs (project_id);
CREATE TABLE orchestration_software_deployments (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	server_id VARCHAR(36) NOT NULL,
	config_id VARCHAR(36) NOT NULL,
	stack_user_project_id VARCHAR(64),
	action VARCHAR(255),
	status VARCHAR(255),
	status_reason TEXT,
	input_values TEXT NOT NULL,
	output_values TEXT,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	CONSTRAINT pk_orchestration_software_deployments PRIMARY KEY (sequence),
	CONSTRAINT uq_orchestration_software_deployments_id UNIQUE (id)
);
CREATE INDEX ix_orchestration_software_deployments_config_id ON orchestration_software_deployments (config_id);
CREATE INDEX ix_orchestration_software_deployments_project_id ON orchestration_software_deployments (project_id);
CREATE INDEX ix_orchestration_software_deployments_server_id ON orchestration_software_deployments (server_id);
CREATE TABLE orchestration_stack_tags (
	stack_id VARCHAR(36) NOT NULL,
	tag VARCHAR(80) NOT NULL,
	CONSTRAINT pk_orchestration_stack_tags PRIMARY KEY (stack_id, tag)
);
CREATE INDEX ix_orchestration_stack_tags_tag ON orchestration_stack_tags (tag);
CREATE TABLE orchestration_stacks (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	live VARCHAR(330),
	project_id VARCHAR(64) NOT NULL,
	user_id VARCHAR(64) NOT NULL,
	user_name VARCHAR(255) NOT NULL,
	parent_id VARCHAR(36),
	parent_resource VARCHAR(255),
	root_id VARCHAR(36) NOT NULL,
	depth INTEGER NOT NULL,
	action VARCHAR(16) NOT NULL,
	status VARCHAR(16) NOT NULL,
	reason TEXT NOT NULL,
	description TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	deleted_at BIGINT,
	timeout_mins INTEGER,
	deadline_at BIGINT,
	disable_rollback BOOLEAN NOT NULL,
	tags TEXT NOT NULL,
	source TEXT NOT NULL,
	previous TEXT,
	traversal VARCHAR(36) NOT NULL,
	lent TEXT NOT NULL,
	task TEXT NOT NULL,
	CONSTRAINT pk_orchestration_stacks PRIMARY KEY (sequence),
	CONSTRAINT uq_orchestration_stacks_id UNIQUE (id),
	CONSTRAINT uq_orchestration_stacks_live UNIQUE (live)
);
CREATE INDEX ix_orchestration_stacks_deleted_at ON orchestration_stacks (deleted_at);
CREATE INDEX ix_orchestration_stacks_parent_id ON orchestration_stacks (parent_id);
CREATE INDEX ix_orchestration_stacks_project ON orchestration_stacks (project_id, sequence);
CREATE INDEX ix_orchestration_stacks_root_id ON orchestration_stacks (root_id);
CREATE TABLE own_limits (
	service VARCHAR(32) NOT NULL,
	owner VARCHAR(255) NOT NULL,
	resource VARCHAR(255) NOT NULL,
	maximum BIGINT NOT NULL,
	CONSTRAINT pk_own_limits PRIMARY KEY (service, owner, resource)
);
CREATE TABLE policies (
	id VARCHAR(64) NOT NULL,
	type VARCHAR(255) NOT NULL,
	blob TEXT NOT NULL,
	extra TEXT NOT NULL,
	CONSTRAINT pk_policies PRIMARY KEY (id)
);
CREATE TABLE policy_associations (
	endpoint_id VARCHAR(64) NOT NULL,
	service_id VARCHAR(64) NOT NULL,
	region_id VARCHAR(255) NOT NULL,
	policy_id VARCHAR(64) NOT NULL,
	CONSTRAINT pk_policy_associations PRIMARY KEY (endpoint_id, service_id, region_id)
);
CREATE INDEX ix_policy_associations_policy_id ON policy_associations (policy_id);
CREATE TABLE policy_texts (
	name VARCHAR(64) NOT NULL,
	text TEXT NOT NULL,
	revision BIGINT NOT NULL,
	edited_at BIGINT NOT NULL,
	source VARCHAR(64) NOT NULL,
	problem TEXT,
	CONSTRAINT pk_policy_texts PRIMARY KEY (name)
);
CREATE TABLE project_endpoint_groups (
	project_id VARCHAR(64) NOT NULL,
	endpoint_group_id VARCHAR(64) NOT NULL,
	CONSTRAINT pk_project_endpoint_groups PRIMARY KEY (project_id, endpoint_group_id)
);
CREATE INDEX ix_project_endpoint_groups_endpoint_group_id ON project_endpoint_groups (endpoint_group_id);
CREATE TABLE project_endpoints (
	project_id VARCHAR(64) NOT NULL,
	endpoint_id VARCHAR(64) NOT NULL,
	CONSTRAINT pk_project_endpoints PRIMARY KEY (project_id, endpoint_id)
);
CREATE INDEX ix_project_endpoints_endpoint_id ON project_endpoints (endpoint_id);
CREATE TABLE project_tags (
	project_id VARCHAR(64) NOT NULL,
	name VARCHAR(255) NOT NULL,
	CONSTRAINT pk_project_tags PRIMARY KEY (project_id, name)
);
CREATE TABLE projects (
	id VARCHAR(64) NOT NULL,
	name VARCHAR(64) NOT NULL,
	name_scope VARCHAR(64) NOT NULL,
	domain_id VARCHAR(64),
	parent_id VARCHAR(64),
	is_domain BOOLEAN NOT NULL,
	description TEXT,
	enabled BOOLEAN NOT NULL,
	options TEXT NOT NULL,
	extra TEXT NOT NULL,
	tokens_valid_from BIGINT,
	name_key VARCHAR(1024) DEFAULT '' NOT NULL,
	CONSTRAINT pk_projects PRIMARY KEY (id),
	CONSTRAINT uq_projects_name_scope_name UNIQUE (name_scope, name)
);
CREATE INDEX ix_projects_domain_id_name ON projects (domain_id, name);
CREATE INDEX ix_projects_name ON projects (name);
CREATE INDEX ix_projects_parent_id ON projects (parent_id);
CREATE UNIQUE INDEX ux_projects_name_key ON projects (name_key, name_scope);
CREATE TABLE provider_aggregates (
	provider_id VARCHAR(36) NOT NULL,
	aggregate_id VARCHAR(36) NOT NULL,
	CONSTRAINT pk_provider_aggregates PRIMARY KEY (provider_id, aggregate_id)
);
CREATE INDEX ix_provider_aggregates_aggregate_id ON provider_aggregates (aggregate_id);
CREATE TABLE provider_traits (
	provider_id VARCHAR(36) NOT NULL,
	trait VARCHAR(255) NOT NULL,
	CONSTRAINT pk_provider_traits PRIMARY KEY (provider_id, trait)
);
CREATE INDEX ix_provider_traits_trait ON provider_traits (trait);
CREATE TABLE qos_policies (
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(255) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description VARCHAR(255) NOT NULL,
	revision_number BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	is_default BOOLEAN NOT NULL,
	CONSTRAINT pk_qos_policies PRIMARY KEY (id)
);
CREATE INDEX ix_qos_policies_project_id ON qos_policies (project_id);
CREATE TABLE rbac_policies (
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(255) NOT NULL,
	object_type VARCHAR(32) NOT NULL,
	object_id VARCHAR(36) NOT NULL,
	action VARCHAR(32) NOT NULL,
	target_project VARCHAR(255) NOT NULL,
	CONSTRAINT pk_rbac_policies PRIMARY KEY (id),
	CONSTRAINT uq_rbac_policies_object_id_action_target_project UNIQUE (object_id, action, target_project)
);
CREATE INDEX ix_rbac_policies_object_type_target_project ON rbac_policies (object_type, target_project);
CREATE INDEX ix_rbac_policies_project_id ON rbac_policies (project_id);
CREATE TABLE regions (
	id VARCHAR(255) NOT NULL,
	parent_region_id VARCHAR(255),
	description TEXT NOT NULL,
	extra TEXT NOT NULL,
	CONSTRAINT pk_regions PRIMARY KEY (id)
);
CREATE TABLE registered_limits (
	id VARCHAR(64) NOT NULL,
	service_id VARCHAR(64) NOT NULL,
	region_id VARCHAR(255) NOT NULL,
	resource_name VARCHAR(255) NOT NULL,
	default_limit INTEGER NOT NULL,
	description TEXT,
	CONSTRAINT pk_registered_limits PRIMARY KEY (id),
	CONSTRAINT uq_registered_limits_service_id_region_id_resource_name UNIQUE (service_id, region_id, resource_name)
);
CREATE TABLE resource_classes (
	name VARCHAR(255) NOT NULL,
	CONSTRAINT pk_resource_classes PRIMARY KEY (name)
);
CREATE TABLE resource_providers (
	id VARCHAR(36) NOT NULL,
	name VARCHAR(200) NOT NULL,
	generation INTEGER NOT NULL,
	parent_id VARCHAR(36),
	root_id VARCHAR(36) NOT NULL,
	updated_at BIGINT NOT NULL,
	CONSTRAINT pk_resource_providers PRIMARY KEY (id),
	CONSTRAINT uq_resource_providers_name UNIQUE (name)
);
CREATE INDEX ix_resource_providers_root_id ON resource_providers (root_id);
CREATE TABLE revocation_events (
	sequence INTEGER NOT NULL,
	kind VARCHAR(16) NOT NULL,
	subject VARCHAR(64) NOT NULL,
	issued_before BIGINT NOT NULL,
	revoked_at BIGINT NOT NULL,
	CONSTRAINT pk_revocation_events PRIMARY KEY (sequence)
);
CREATE INDEX ix_revocation_events_revoked_at ON revocation_events (revoked_at);
CREATE TABLE revoked_tokens (
	audit_id VARCHAR(32) NOT NULL,
	expires_at BIGINT NOT NULL,
	CONSTRAINT pk_revoked_tokens PRIMARY KEY (audit_id)
);
CREATE INDEX ix_revoked_tokens_expires_at ON revoked_tokens (expires_at);
CREATE TABLE roles (
	id VARCHAR(64) NOT NULL,
	name VARCHAR(255) NOT NULL,
	domain_id VARCHAR(64) NOT NULL,
	description TEXT,
	options TEXT NOT NULL,
	extra TEXT NOT NULL,
	name_key VARCHAR(1024) DEFAULT '' NOT NULL,
	CONSTRAINT pk_roles PRIMARY KEY (id),
	CONSTRAINT uq_roles_domain_id_name UNIQUE (domain_id, name)
);
CREATE INDEX ix_roles_name ON roles (name);
CREATE UNIQUE INDEX ux_roles_name_key ON roles (name_key, domain_id);
CREATE TABLE sealing_keys (
	purpose VARCHAR(16) NOT NULL,
	number INTEGER NOT NULL,
	sealed TEXT NOT NULL,
	made_at BIGINT NOT NULL,
	CONSTRAINT pk_sealing_keys PRIMARY KEY (purpose, number)
);
CREATE TABLE security_group_default_statefulness (
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(255) NOT NULL,
	stateful BOOLEAN NOT NULL,
	CONSTRAINT pk_security_group_default_statefulness PRIMARY KEY (id),
	CONSTRAINT uq_security_group_default_statefulness_project_id UNIQUE (project_id)
);
CREATE TABLE security_groups (
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(255) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description VARCHAR(255) NOT NULL,
	revision_number BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	default_of VARCHAR(255),
	stateful BOOLEAN DEFAULT 1 NOT NULL,
	CONSTRAINT pk_security_groups PRIMARY KEY (id),
	CONSTRAINT uq_security_groups_default_of UNIQUE (default_of)
);
CREATE INDEX ix_security_groups_project_id ON security_groups (project_id);
CREATE TABLE server_tags (
	server_id VARCHAR(36) NOT NULL,
	tag VARCHAR(60) NOT NULL,
	CONSTRAINT pk_server_tags PRIMARY KEY (server_id, tag)
);
CREATE TABLE servers (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	user_id VARCHAR(64) NOT NULL,
	name VARCHAR(255) NOT NULL,
	hostname VARCHAR(255) NOT NULL,
	description VARCHAR(255),
	image_id VARCHAR(36) NOT NULL,
	image_format VARCHAR(16) NOT NULL,
	image_properties TEXT NOT NULL,
	flavor_id VARCHAR(255) NOT NULL,
	flavor TEXT NOT NULL,
	vcpus INTEGER NOT NULL,
	memory_mib INTEGER NOT NULL,
	disk_gib INTEGER NOT NULL,
	key_name VARCHAR(255),
	public_key TEXT,
	user_data TEXT,
	trusted_certificates TEXT,
	config_drive BOOLEAN NOT NULL,
	metadata TEXT NOT NULL,
	nics TEXT NOT NULL,
	disk_tag VARCHAR(60),
	disks TEXT,
	kernel_id VARCHAR(36) DEFAULT '' NOT NULL,
	ramdisk_id VARCHAR(36) DEFAULT '' NOT NULL,
	root_device VARCHAR(16) DEFAULT '/dev/vda' NOT NULL,
	files TEXT,
	security_groups TEXT NOT NULL,
	disk_config VARCHAR(6) NOT NULL,
	access_ip_v4 VARCHAR(45) NOT NULL,
	access_ip_v6 VARCHAR(45) NOT NULL,
	vm_state VARCHAR(20) NOT NULL,
	task_state VARCHAR(40),
	power_state SMALLINT NOT NULL,
	locked BOOLEAN NOT NULL,
	locked_by VARCHAR(8),
	locked_reason VARCHAR(255),
	generation INTEGER NOT NULL,
	host VARCHAR(255),
	availability_zone VARCHAR(255),
	requested_zone VARCHAR(255),
	requested_host VARCHAR(255),
	scheduler_hints TEXT NOT NULL,
	reservation_id VARCHAR(32) NOT NULL,
	launch_index INTEGER NOT NULL,
	fault TEXT,
	disk_generation INTEGER DEFAULT '0' NOT NULL,
	rescue TEXT,
	shelved_image_id VARCHAR(36),
	shelved_at BIGINT,
	soft_deleted_at BIGINT,
	held_vcpus INTEGER DEFAULT '0' NOT NULL,
	held_memory_mib INTEGER DEFAULT '0' NOT NULL,
	launched_at BIGINT,
	terminated_at BIGINT,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	deleted BOOLEAN NOT NULL,
	CONSTRAINT pk_servers PRIMARY KEY (sequence),
	CONSTRAINT uq_servers_id UNIQUE (id)
);
CREATE INDEX ix_servers_all ON servers (deleted, created_at, sequence);
CREATE INDEX ix_servers_busy ON servers (host) WHERE task_state IS NOT NULL;
CREATE INDEX ix_servers_host ON servers (host, deleted);
CREATE INDEX ix_servers_project ON servers (project_id, deleted, created_at, sequence);
CREATE INDEX ix_servers_soft_deleted_at ON servers (soft_deleted_at);
CREATE TABLE service_profiles (
	id VARCHAR(36) NOT NULL,
	description VARCHAR(1024) NOT NULL,
	driver VARCHAR(1024) NOT NULL,
	metainfo TEXT NOT NULL,
	enabled BOOLEAN NOT NULL,
	CONSTRAINT pk_service_profiles PRIMARY KEY (id)
);
CREATE TABLE service_providers (
	id VARCHAR(64) NOT NULL,
	auth_url VARCHAR(256) NOT NULL,
	sp_url VARCHAR(256) NOT NULL,
	description TEXT,
	enabled BOOLEAN NOT NULL,
	relay_state_prefix VARCHAR(256) NOT NULL,
	CONSTRAINT pk_service_providers PRIMARY KEY (id)
);
CREATE TABLE services (
	id VARCHAR(64) NOT NULL,
	type VARCHAR(255) NOT NULL,
	name VARCHAR(255),
	description TEXT,
	enabled BOOLEAN NOT NULL,
	extra TEXT NOT NULL,
	CONSTRAINT pk_services PRIMARY KEY (id)
);
CREATE TABLE share_access_rules (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	share_id VARCHAR(36) NOT NULL,
	access_type VARCHAR(16) NOT NULL,
	access_to VARCHAR(255) NOT NULL,
	access_level VARCHAR(2) NOT NULL,
	state VARCHAR(20) NOT NULL,
	access_key VARCHAR(255),
	metadata TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	CONSTRAINT pk_share_access_rules PRIMARY KEY (sequence),
	CONSTRAINT uq_share_access_rules_share_id UNIQUE (share_id, access_type, access_to),
	CONSTRAINT uq_share_access_rules_id UNIQUE (id)
);
CREATE INDEX ix_share_access_rules_share_id ON share_access_rules (share_id);
CREATE TABLE share_backups (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	user_id VARCHAR(64) NOT NULL,
	name VARCHAR(255),
	description VARCHAR(255),
	share_id VARCHAR(36) NOT NULL,
	size_gib INTEGER NOT NULL,
	status VARCHAR(32) NOT NULL,
	progress INTEGER NOT NULL,
	restore_progress INTEGER NOT NULL,
	zone VARCHAR(255),
	node VARCHAR(255),
	backend VARCHAR(255),
	backup_type VARCHAR(32),
	target_share_id VARCHAR(36),
	options TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	CONSTRAINT pk_share_backups PRIMARY KEY (sequence),
	CONSTRAINT uq_share_backups_id UNIQUE (id)
);
CREATE INDEX ix_share_backups_share_id ON share_backups (share_id);
CREATE TABLE share_export_locations (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	instance_id VARCHAR(36) NOT NULL,
	path VARCHAR(2000) NOT NULL,
	is_admin_only BOOLEAN NOT NULL,
	preferred BOOLEAN NOT NULL,
	metadata TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	CONSTRAINT pk_share_export_locations PRIMARY KEY (sequence),
	CONSTRAINT uq_share_export_locations_id UNIQUE (id)
);
CREATE INDEX ix_share_export_locations_instance_id ON share_export_locations (instance_id);
CREATE TABLE share_group_snapshot_members (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	group_snapshot_id VARCHAR(36) NOT NULL,
	share_id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	size_gib INTEGER NOT NULL,
	protocol VARCHAR(16) NOT NULL,
	type_id VARCHAR(36) NOT NULL,
	status VARCHAR(32) NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	CONSTRAINT pk_share_group_snapshot_members PRIMARY KEY (sequence),
	CONSTRAINT uq_share_group_snapshot_members_id UNIQUE (id)
);
CREATE INDEX ix_share_group_snapshot_members_group_snapshot_id ON share_group_snapshot_members (group_snapshot_id);
CREATE INDEX ix_share_group_snapshot_members_share_id ON share_group_snapshot_members (share_id);
CREATE TABLE share_group_snapshots (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	user_id VARCHAR(64) NOT NULL,
	name VARCHAR(255),
	description VARCHAR(255),
	status VARCHAR(32) NOT NULL,
	share_group_id VARCHAR(36) NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	CONSTRAINT pk_share_group_snapshots PRIMARY KEY (sequence),
	CONSTRAINT uq_share_group_snapshots_id UNIQUE (id)
);
CREATE INDEX ix_share_group_snapshots_share_group_id ON share_group_snapshots (share_group_id);
CREATE TABLE share_group_type_access (
	type_id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	CONSTRAINT pk_share_group_type_access PRIMARY KEY (type_id, project_id)
);
CREATE INDEX ix_share_group_type_access_project_id ON share_group_type_access (project_id);
CREATE TABLE share_group_types (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	is_public BOOLEAN NOT NULL,
	specs TEXT NOT NULL,
	share_types TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	CONSTRAINT pk_share_group_types PRIMARY KEY (sequence),
	CONSTRAINT uq_share_group_types_id UNIQUE (id),
	CONSTRAINT uq_share_group_types_name UNIQUE (name)
);
CREATE TABLE share_groups (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	user_id VARCHAR(64) NOT NULL,
	name VARCHAR(255),
	description VARCHAR(255),
	status VARCHAR(32) NOT NULL,
	group_type_id VARCHAR(36) NOT NULL,
	share_types TEXT NOT NULL,
	share_network_id VARCHAR(36),
	share_server_id VARCHAR(36),
	source_snapshot_id VARCHAR(36),
	zone VARCHAR(255),
	node VARCHAR(255),
	backend VARCHAR(255),
	consistent VARCHAR(8),
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	CONSTRAINT pk_share_groups PRIMARY KEY (sequence),
	CONSTRAINT uq_share_groups_id UNIQUE (id)
);
CREATE INDEX ix_share_groups_group_type_id ON share_groups (group_type_id);
CREATE INDEX ix_share_groups_share_network_id ON share_groups (share_network_id);
CREATE INDEX ix_share_groups_share_server_id ON share_groups (share_server_id);
CREATE INDEX ix_share_groups_source_snapshot_id ON share_groups (source_snapshot_id);
CREATE TABLE share_instances (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	share_id VARCHAR(36) NOT NULL,
	status VARCHAR(48) NOT NULL,
	size_gib INTEGER NOT NULL,
	node VARCHAR(255),
	backend VARCHAR(255),
	zone VARCHAR(255),
	type_id VARCHAR(36) NOT NULL,
	share_network_id VARCHAR(36),
	share_server_id VARCHAR(36),
	progress INTEGER,
	access_rules_status VARCHAR(16) NOT NULL,
	replica_state VARCHAR(16),
	cast_rules_to_readonly BOOLEAN NOT NULL,
	metadata TEXT NOT NULL,
	provider_name VARCHAR(255),
	generation INTEGER NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	CONSTRAINT pk_share_instances PRIMARY KEY (sequence),
	CONSTRAINT uq_share_instances_id UNIQUE (id)
);
CREATE INDEX ix_share_instances_place ON share_instances (node, backend);
CREATE INDEX ix_share_instances_share_id ON share_instances (share_id);
CREATE INDEX ix_share_instances_share_network_id ON share_instances (share_network_id);
CREATE INDEX ix_share_instances_share_server_id ON share_instances (share_server_id);
CREATE TABLE share_messages (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	request_id VARCHAR(255),
	action_id VARCHAR(8) NOT NULL,
	detail_id VARCHAR(8) NOT NULL,
	resource_type VARCHAR(36) NOT NULL,
	resource_id VARCHAR(36),
	level VARCHAR(16) NOT NULL,
	text TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	CONSTRAINT pk_share_messages PRIMARY KEY (sequence),
	CONSTRAINT uq_share_messages_id UNIQUE (id)
);
CREATE INDEX ix_share_messages_expires_at ON share_messages (expires_at);
CREATE INDEX ix_share_messages_project_created ON share_messages (project_id, created_at, sequence);
CREATE INDEX ix_share_messages_resource_id ON share_messages (resource_id);
CREATE TABLE share_network_security_services (
	share_network_id VARCHAR(36) NOT NULL,
	security_service_id VARCHAR(36) NOT NULL,
	CONSTRAINT pk_share_network_security_services PRIMARY KEY (share_network_id, security_service_id)
);
CREATE INDEX ix_share_network_security_services_security_service_id ON share_network_security_services (security_service_id);
CREATE TABLE share_network_subnets (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	share_network_id VARCHAR(36) NOT NULL,
	zone VARCHAR(255),
	neutron_net_id VARCHAR(36),
	neutron_subnet_id VARCHAR(36),
	network_type VARCHAR(32),
	segmentation_id INTEGER,
	cidr VARCHAR(64),
	ip_version INTEGER,
	gateway VARCHAR(64),
	mtu INTEGER,
	metadata TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	CONSTRAINT pk_share_network_subnets PRIMARY KEY (sequence),
	CONSTRAINT uq_share_network_subnets_id UNIQUE (id)
);
CREATE INDEX ix_share_network_subnets_share_network_id ON share_network_subnets (share_network_id);
CREATE TABLE share_networks (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	user_id VARCHAR(64) NOT NULL,
	name VARCHAR(255),
	description VARCHAR(255),
	status VARCHAR(32) NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	CONSTRAINT pk_share_networks PRIMARY KEY (sequence),
	CONSTRAINT uq_share_networks_id UNIQUE (id)
);
CREATE TABLE share_qos_types (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description VARCHAR(255),
	specs TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	CONSTRAINT pk_share_qos_types PRIMARY KEY (sequence),
	CONSTRAINT uq_share_qos_types_id UNIQUE (id),
	CONSTRAINT uq_share_qos_types_name UNIQUE (name)
);
CREATE TABLE share_resource_locks (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	user_id VARCHAR(64) NOT NULL,
	lock_context VARCHAR(16) NOT NULL,
	resource_type VARCHAR(32) NOT NULL,
	resource_id VARCHAR(36) NOT NULL,
	resource_action VARCHAR(16) NOT NULL,
	reason VARCHAR(1023),
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	CONSTRAINT pk_share_resource_locks PRIMARY KEY (sequence),
	CONSTRAINT uq_share_resource_locks_id UNIQUE (id)
);
CREATE INDEX ix_share_resource_locks_resource_id ON share_resource_locks (resource_id);
CREATE TABLE share_security_services (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	user_id VARCHAR(64) NOT NULL,
	name VARCHAR(255),
	description VARCHAR(255),
	type VARCHAR(32) NOT NULL,
	dns_ip VARCHAR(64),
	server VARCHAR(255),
	domain VARCHAR(255),
	account VARCHAR(255),
	sealed_password TEXT,
	ou VARCHAR(255),
	default_ad_site VARCHAR(255),
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	CONSTRAINT pk_share_security_services PRIMARY KEY (sequence),
	CONSTRAINT uq_share_security_services_id UNIQUE (id)
);
CREATE TABLE share_server_subnets (
	share_server_id VARCHAR(36) NOT NULL,
	subnet_id VARCHAR(36) NOT NULL,
	CONSTRAINT pk_share_server_subnets PRIMARY KEY (share_server_id, subnet_id)
);
CREATE INDEX ix_share_server_subnets_subnet_id ON share_server_subnets (subnet_id);
CREATE TABLE share_servers (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	share_network_id VARCHAR(36) NOT NULL,
	node VARCHAR(255) NOT NULL,
	backend VARCHAR(255) NOT NULL,
	status VARCHAR(32) NOT NULL,
	task_state VARCHAR(64),
	identifier VARCHAR(255) NOT NULL,
	auto_deletable BOOLEAN NOT NULL,
	source_share_server_id VARCHAR(36),
	port_id VARCHAR(36),
	addresses TEXT NOT NULL,
	generation INTEGER NOT NULL,
	empty_since BIGINT,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	CONSTRAINT pk_share_servers PRIMARY KEY (sequence),
	CONSTRAINT uq_share_servers_id UNIQUE (id)
);
CREATE INDEX ix_share_servers_place ON share_servers (node, backend);
CREATE INDEX ix_share_servers_project_id ON share_servers (project_id);
CREATE INDEX ix_share_servers_share_network_id ON share_servers (share_network_id);
CREATE INDEX ix_share_servers_source_share_server_id ON share_servers (source_share_server_id);
CREATE TABLE share_services (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	binary VARCHAR(64) NOT NULL,
	host VARCHAR(255) NOT NULL,
	zone VARCHAR(255) NOT NULL,
	node VARCHAR(255),
	backend VARCHAR(255),
	state TEXT,
	capacity_gib INTEGER NOT NULL,
	allocated_gib INTEGER NOT NULL,
	disabled BOOLEAN NOT NULL,
	disabled_reason VARCHAR(255),
	ensuring BOOLEAN NOT NULL,
	seen_at BIGINT NOT NULL,
	CONSTRAINT pk_share_services PRIMARY KEY (sequence),
	CONSTRAINT uq_share_services_binary UNIQUE (binary, host),
	CONSTRAINT uq_share_services_id UNIQUE (id)
);
CREATE INDEX ix_share_services_node ON share_services (node);
CREATE TABLE share_snapshot_access_rules (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	snapshot_id VARCHAR(36) NOT NULL,
	access_type VARCHAR(16) NOT NULL,
	access_to VARCHAR(255) NOT NULL,
	state VARCHAR(20) NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	CONSTRAINT pk_share_snapshot_access_rules PRIMARY KEY (sequence),
	CONSTRAINT uq_share_snapshot_access_rules_snapshot_id UNIQUE (snapshot_id, access_type, access_to),
	CONSTRAINT uq_share_snapshot_access_rules_id UNIQUE (id)
);
CREATE INDEX ix_share_snapshot_access_rules_snapshot_id ON share_snapshot_access_rules (snapshot_id);
CREATE TABLE share_snapshot_export_locations (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	snapshot_instance_id VARCHAR(36) NOT NULL,
	path VARCHAR(2000) NOT NULL,
	is_admin_only BOOLEAN NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	CONSTRAINT pk_share_snapshot_export_locations PRIMARY KEY (sequence),
	CONSTRAINT uq_share_snapshot_export_locations_id UNIQUE (id)
);
CREATE INDEX ix_share_snapshot_export_locations_snapshot_instance_id ON share_snapshot_export_locations (snapshot_instance_id);
CREATE TABLE share_snapshot_instances (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	snapshot_id VARCHAR(36) NOT NULL,
	instance_id VARCHAR(36) NOT NULL,
	status VARCHAR(32) NOT NULL,
	progress VARCHAR(8),
	provider_location VARCHAR(255),
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	CONSTRAINT pk_share_snapshot_instances PRIMARY KEY (sequence),
	CONSTRAINT uq_share_snapshot_instances_id UNIQUE (id)
);
CREATE INDEX ix_share_snapshot_instances_instance_id ON share_snapshot_instances (instance_id);
CREATE INDEX ix_share_snapshot_instances_snapshot_id ON share_snapshot_instances (snapshot_id);
CREATE TABLE share_snapshots (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	share_id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	user_id VARCHAR(64) NOT NULL,
	name VARCHAR(255),
	description VARCHAR(255),
	share_size_gib INTEGER NOT NULL,
	size_gib INTEGER NOT NULL,
	protocol VARCHAR(16) NOT NULL,
	type_id VARCHAR(36) NOT NULL,
	status VARCHAR(32) NOT NULL,
	metadata TEXT NOT NULL,
	share_group_snapshot_id VARCHAR(36),
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	CONSTRAINT pk_share_snapshots PRIMARY KEY (sequence),
	CONSTRAINT uq_share_snapshots_id UNIQUE (id)
);
CREATE INDEX ix_share_snapshots_counted ON share_snapshots (project_id, type_id, size_gib);
CREATE INDEX ix_share_snapshots_created ON share_snapshots (created_at, sequence);
CREATE INDEX ix_share_snapshots_project_created ON share_snapshots (project_id, created_at, sequence);
CREATE INDEX ix_share_snapshots_share_group_snapshot_id ON share_snapshots (share_group_snapshot_id);
CREATE INDEX ix_share_snapshots_share_id ON share_snapshots (share_id);
CREATE TABLE share_transfers (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	share_id VARCHAR(36) NOT NULL,
	name VARCHAR(255),
	salt VARCHAR(64) NOT NULL,
	key_hash VARCHAR(64) NOT NULL,
	source_project_id VARCHAR(64) NOT NULL,
	destination_project_id VARCHAR(64),
	accepted BOOLEAN NOT NULL,
	expires_at BIGINT,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	CONSTRAINT pk_share_transfers PRIMARY KEY (sequence),
	CONSTRAINT uq_share_transfers_id UNIQUE (id)
);
CREATE INDEX ix_share_transfers_share_id ON share_transfers (share_id);
CREATE INDEX ix_share_transfers_source_project_id ON share_transfers (source_project_id);
CREATE TABLE share_type_access (
	type_id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	CONSTRAINT pk_share_type_access PRIMARY KEY (type_id, project_id)
);
CREATE INDEX ix_share_type_access_project_id ON share_type_access (project_id);
CREATE TABLE share_types (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description VARCHAR(255),
	is_public BOOLEAN NOT NULL,
	extra_specs TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	CONSTRAINT pk_share_types PRIMARY KEY (sequence),
	CONSTRAINT uq_share_types_id UNIQUE (id),
	CONSTRAINT uq_share_types_name UNIQUE (name)
);
CREATE TABLE shares (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	user_id VARCHAR(64) NOT NULL,
	name VARCHAR(255),
	description VARCHAR(255),
	size_gib INTEGER NOT NULL,
	protocol VARCHAR(16) NOT NULL,
	is_public BOOLEAN NOT NULL,
	status VARCHAR(48) NOT NULL,
	task_state VARCHAR(48),
	type_id VARCHAR(36) NOT NULL,
	abilities TEXT NOT NULL,
	replication_type VARCHAR(16),
	snapshot_id VARCHAR(36),
	share_network_id VARCHAR(36),
	share_group_id VARCHAR(36),
	group_snapshot_member_id VARCHAR(36),
	source_backup_id VARCHAR(36),
	qos_type_id VARCHAR(36),
	encryption_key_ref VARCHAR(36),
	mount_point_name VARCHAR(255),
	metadata TEXT NOT NULL,
	scheduler_hints TEXT NOT NULL,
	deleted_from BIGINT,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	CONSTRAINT pk_shares PRIMARY KEY (sequence),
	CONSTRAINT uq_shares_id UNIQUE (id)
);
CREATE INDEX ix_shares_counted ON shares (project_id, type_id, size_gib);
CREATE INDEX ix_shares_created ON shares (created_at, sequence);
CREATE INDEX ix_shares_deleted_from ON shares (deleted_from);
CREATE INDEX ix_shares_project_created ON shares (project_id, created_at, sequence);
CREATE INDEX ix_shares_public ON shares (is_public);
CREATE INDEX ix_shares_qos_type_id ON shares (qos_type_id);
CREATE INDEX ix_shares_share_group_id ON shares (share_group_id);
CREATE INDEX ix_shares_share_network_id ON shares (share_network_id);
CREATE INDEX ix_shares_snapshot_id ON shares (snapshot_id);
CREATE INDEX ix_shares_type ON shares (type_id);
CREATE TABLE switches (
	service VARCHAR(64) NOT NULL,
	"on" BOOLEAN NOT NULL,
	changed_at BIGINT NOT NULL,
	CONSTRAINT pk_switches PRIMARY KEY (service)
);
CREATE TABLE traits (
	name VARCHAR(255) NOT NULL,
	CONSTRAINT pk_traits PRIMARY KEY (name)
);
CREATE TABLE trust_roles (
	trust_id VARCHAR(64) NOT NULL,
	role_id VARCHAR(64) NOT NULL,
	CONSTRAINT pk_trust_roles PRIMARY KEY (trust_id, role_id)
);
CREATE INDEX ix_trust_roles_role_id ON trust_roles (role_id);
CREATE TABLE trusts (
	id VARCHAR(64) NOT NULL,
	trustor_user_id VARCHAR(64) NOT NULL,
	trustee_user_id VARCHAR(64) NOT NULL,
	project_id VARCHAR(64),
	impersonation BOOLEAN NOT NULL,
	expires_at BIGINT,
	remaining_uses INTEGER,
	redelegated_trust_id VARCHAR(64),
	redelegation_count INTEGER NOT NULL,
	deleted_at BIGINT,
	extra TEXT NOT NULL,
	CONSTRAINT pk_trusts PRIMARY KEY (id),
	CONSTRAINT ck_trusts_remaining_uses CHECK (remaining_uses >= 0)
);
CREATE INDEX ix_trusts_project_id ON trusts (project_id);
CREATE INDEX ix_trusts_redelegated_trust_id ON trusts (redelegated_trust_id);
CREATE INDEX ix_trusts_trustee_user_id ON trusts (trustee_user_id);
CREATE INDEX ix_trusts_trustor_user_id ON trusts (trustor_user_id);
CREATE TABLE used_passcodes (
	user_id VARCHAR(64) NOT NULL,
	period BIGINT NOT NULL,
	passcode VARCHAR(16) NOT NULL,
	CONSTRAINT pk_used_passcodes PRIMARY KEY (user_id, period, passcode)
);
CREATE TABLE users (
	id VARCHAR(64) NOT NULL,
	name VARCHAR(255) NOT NULL,
	domain_id VARCHAR(64) NOT NULL,
	enabled BOOLEAN NOT NULL,
	default_project_id VARCHAR(64),
	password_hash VARCHAR(128),
	password_changed_at BIGINT,
	password_expires_at BIGINT,
	past_hashes TEXT NOT NULL,
	tokens_valid_from BIGINT,
	failed_sign_ins INTEGER NOT NULL,
	failed_at BIGINT,
	options TEXT NOT NULL,
	extra TEXT NOT NULL,
	created_at BIGINT,
	password_own BOOLEAN DEFAULT 0 NOT NULL,
	last_active_at BIGINT,
	name_key VARCHAR(1024) DEFAULT '' NOT NULL,
	CONSTRAINT pk_users PRIMARY KEY (id),
	CONSTRAINT uq_users_domain_id_name UNIQUE (domain_id, name)
);
CREATE INDEX ix_users_name ON users (name);
CREATE UNIQUE INDEX ux_users_name_key ON users (name_key, domain_id);
CREATE TABLE volume_attachments (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	volume_id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	server_id VARCHAR(36),
	attached_host VARCHAR(255),
	mountpoint VARCHAR(255),
	status VARCHAR(16) NOT NULL,
	mode VARCHAR(2),
	connector TEXT,
	connection TEXT,
	attached_at BIGINT,
	generation INTEGER DEFAULT '0' NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	CONSTRAINT pk_volume_attachments PRIMARY KEY (sequence),
	CONSTRAINT uq_volume_attachments_id UNIQUE (id)
);
CREATE INDEX ix_volume_attachments_project_created ON volume_attachments (project_id, created_at, sequence);
CREATE INDEX ix_volume_attachments_server_id ON volume_attachments (server_id);
CREATE INDEX ix_volume_attachments_volume_id ON volume_attachments (volume_id);
CREATE TABLE volume_backups (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	user_id VARCHAR(64) NOT NULL,
	volume_id VARCHAR(36) NOT NULL,
	snapshot_id VARCHAR(36),
	parent_id VARCHAR(36),
	name VARCHAR(255),
	description VARCHAR(255),
	size_gib INTEGER NOT NULL,
	status VARCHAR(32) NOT NULL,
	fail_reason TEXT,
	zone VARCHAR(255) NOT NULL,
	metadata TEXT NOT NULL,
	store VARCHAR(16) NOT NULL,
	container VARCHAR(255) NOT NULL,
	data_id VARCHAR(36) NOT NULL,
	data_project_id VARCHAR(64) NOT NULL,
	object_count INTEGER NOT NULL,
	data_at BIGINT NOT NULL,
	type_id VARCHAR(36),
	sealed_key TEXT,
	key_id VARCHAR(36),
	volume_facts TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	CONSTRAINT pk_volume_backups PRIMARY KEY (sequence),
	CONSTRAINT uq_volume_backups_id UNIQUE (id)
);
CREATE INDEX ix_volume_backups_counted ON volume_backups (project_id, size_gib);
CREATE INDEX ix_volume_backups_created ON volume_backups (created_at, sequence);
CREATE INDEX ix_volume_backups_data_id ON volume_backups (data_id);
CREATE INDEX ix_volume_backups_parent_id ON volume_backups (parent_id);
CREATE INDEX ix_volume_backups_project_created ON volume_backups (project_id, created_at, sequence);
CREATE INDEX ix_volume_backups_snapshot_id ON volume_backups (snapshot_id);
CREATE INDEX ix_volume_backups_volume_id ON volume_backups (volume_id);
CREATE TABLE volume_connections (
	id VARCHAR(36) NOT NULL,
	volume_id VARCHAR(36) NOT NULL,
	connector TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	CONSTRAINT pk_volume_connections PRIMARY KEY (id)
);
CREATE INDEX ix_volume_connections_volume_id ON volume_connections (volume_id);
CREATE TABLE volume_default_types (
	project_id VARCHAR(64) NOT NULL,
	type_id VARCHAR(36) NOT NULL,
	CONSTRAINT pk_volume_default_types PRIMARY KEY (project_id)
);
CREATE INDEX ix_volume_default_types_type_id ON volume_default_types (type_id);
CREATE TABLE volume_groups (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	user_id VARCHAR(64) NOT NULL,
	name VARCHAR(255),
	description VARCHAR(255),
	status VARCHAR(32) NOT NULL,
	group_type_id VARCHAR(36) NOT NULL,
	volume_types TEXT NOT NULL,
	zone VARCHAR(255) NOT NULL,
	host VARCHAR(255),
	backend VARCHAR(255),
	group_snapshot_id VARCHAR(36),
	source_group_id VARCHAR(36),
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	CONSTRAINT pk_volume_groups PRIMARY KEY (sequence),
	CONSTRAINT uq_volume_groups_id UNIQUE (id)
);
CREATE INDEX ix_volume_groups_created ON volume_groups (created_at, sequence);
CREATE INDEX ix_volume_groups_group_snapshot_id ON volume_groups (group_snapshot_id);
CREATE INDEX ix_volume_groups_group_type_id ON volume_groups (group_type_id);
CREATE INDEX ix_volume_groups_project_created ON volume_groups (project_id, created_at, sequence);
CREATE INDEX ix_volume_groups_source_group_id ON volume_groups (source_group_id);
CREATE TABLE volume_messages (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	request_id VARCHAR(64) NOT NULL,
	event_id VARCHAR(64) NOT NULL,
	resource_type VARCHAR(36),
	resource_id VARCHAR(36),
	level VARCHAR(16) NOT NULL,
	text TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	CONSTRAINT pk_volume_messages PRIMARY KEY (sequence),
	CONSTRAINT uq_volume_messages_id UNIQUE (id)
);
CREATE INDEX ix_volume_messages_expires_at ON volume_messages (expires_at);
CREATE INDEX ix_volume_messages_project_id ON volume_messages (project_id);
CREATE INDEX ix_volume_messages_resource_id ON volume_messages (resource_id);
CREATE TABLE volume_qos_specs (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	consumer VARCHAR(16) NOT NULL,
	specs TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	CONSTRAINT pk_volume_qos_specs PRIMARY KEY (sequence),
	CONSTRAINT uq_volume_qos_specs_id UNIQUE (id),
	CONSTRAINT uq_volume_qos_specs_name UNIQUE (name)
);
CREATE TABLE volume_services (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	binary VARCHAR(32) NOT NULL,
	host VARCHAR(255) NOT NULL,
	node VARCHAR(255),
	backend VARCHAR(255),
	zone VARCHAR(255) NOT NULL,
	disabled BOOLEAN NOT NULL,
	disabled_reason VARCHAR(255),
	frozen BOOLEAN NOT NULL,
	seen_at BIGINT NOT NULL,
	silent_at BIGINT,
	state TEXT,
	allocated_gib BIGINT NOT NULL,
	capacity_gib BIGINT NOT NULL,
	CONSTRAINT pk_volume_services PRIMARY KEY (sequence),
	CONSTRAINT uq_volume_services_binary_host UNIQUE (binary, host),
	CONSTRAINT uq_volume_services_id UNIQUE (id)
);
CREATE INDEX ix_volume_services_node ON volume_services (node);
CREATE TABLE volume_snapshots (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	volume_id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	user_id VARCHAR(64) NOT NULL,
	name VARCHAR(255),
	description VARCHAR(255),
	size_gib INTEGER NOT NULL,
	type_id VARCHAR(36) NOT NULL,
	status VARCHAR(32) NOT NULL,
	progress INTEGER NOT NULL,
	metadata TEXT NOT NULL,
	group_snapshot_id VARCHAR(36),
	provider_name VARCHAR(255),
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	CONSTRAINT pk_volume_snapshots PRIMARY KEY (sequence),
	CONSTRAINT uq_volume_snapshots_id UNIQUE (id)
);
CREATE INDEX ix_volume_snapshots_counted ON volume_snapshots (project_id, type_id, size_gib);
CREATE INDEX ix_volume_snapshots_created ON volume_snapshots (created_at, sequence);
CREATE INDEX ix_volume_snapshots_group_snapshot_id ON volume_snapshots (group_snapshot_id);
CREATE INDEX ix_volume_snapshots_project_created ON volume_snapshots (project_id, created_at, sequence);
CREATE INDEX ix_volume_snapshots_volume_id ON volume_snapshots (volume_id);
CREATE TABLE volume_transfers (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	volume_id VARCHAR(36) NOT NULL,
	name VARCHAR(255),
	salt VARCHAR(32) NOT NULL,
	key_hash VARCHAR(64) NOT NULL,
	no_snapshots BOOLEAN NOT NULL,
	source_project_id VARCHAR(64) NOT NULL,
	destination_project_id VARCHAR(64),
	accepted BOOLEAN NOT NULL,
	created_at BIGINT NOT NULL,
	CONSTRAINT pk_volume_transfers PRIMARY KEY (sequence),
	CONSTRAINT uq_volume_transfers_id UNIQUE (id),
	CONSTRAINT uq_volume_transfers_volume_id UNIQUE (volume_id)
);
CREATE INDEX ix_volume_transfers_created ON volume_transfers (created_at, sequence);
CREATE INDEX ix_volume_transfers_source_project_id ON volume_transfers (source_project_id);
CREATE TABLE volume_type_access (
	type_id VARCHAR(36) NOT NULL,
	project_id VARCHAR(255) NOT NULL,
	CONSTRAINT pk_volume_type_access PRIMARY KEY (type_id, project_id)
);
CREATE INDEX ix_volume_type_access_project_id ON volume_type_access (project_id);
CREATE TABLE volume_type_encryption (
	type_id VARCHAR(36) NOT NULL,
	encryption_id VARCHAR(36) NOT NULL,
	provider VARCHAR(255) NOT NULL,
	cipher VARCHAR(255),
	key_size INTEGER,
	control_location VARCHAR(16) NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	CONSTRAINT pk_volume_type_encryption PRIMARY KEY (type_id),
	CONSTRAINT uq_volume_type_encryption_encryption_id UNIQUE (encryption_id)
);
CREATE TABLE volume_types (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description VARCHAR(255),
	is_public BOOLEAN NOT NULL,
	extra_specs TEXT NOT NULL,
	qos_specs_id VARCHAR(36),
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	CONSTRAINT pk_volume_types PRIMARY KEY (sequence),
	CONSTRAINT uq_volume_types_id UNIQUE (id),
	CONSTRAINT uq_volume_types_name UNIQUE (name)
);
CREATE INDEX ix_volume_types_qos_specs_id ON volume_types (qos_specs_id);
CREATE TABLE volumes (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	user_id VARCHAR(64) NOT NULL,
	name VARCHAR(255),
	description VARCHAR(255),
	size_gib INTEGER NOT NULL,
	status VARCHAR(32) NOT NULL,
	previous_status VARCHAR(32),
	attach_status VARCHAR(16) NOT NULL,
	migration_status VARCHAR(32),
	type_id VARCHAR(36) NOT NULL,
	zone VARCHAR(255) NOT NULL,
	host VARCHAR(255),
	backend VARCHAR(255),
	target_backend VARCHAR(255),
	snapshot_id VARCHAR(36),
	source_volume_id VARCHAR(36),
	image_id VARCHAR(36),
	backup_id VARCHAR(36),
	bootable BOOLEAN NOT NULL,
	multiattach BOOLEAN NOT NULL,
	encrypted BOOLEAN NOT NULL,
	sealed_key TEXT,
	key_id VARCHAR(36),
	read_only BOOLEAN,
	metadata TEXT NOT NULL,
	image_metadata TEXT,
	scheduler_hints TEXT NOT NULL,
	group_id VARCHAR(36),
	provider_name VARCHAR(255),
	generation INTEGER NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	launched_at BIGINT,
	CONSTRAINT pk_volumes PRIMARY KEY (sequence),
	CONSTRAINT uq_volumes_id UNIQUE (id)
);
CREATE INDEX ix_volumes_counted ON volumes (project_id, type_id, size_gib);
CREATE INDEX ix_volumes_created ON volumes (created_at, sequence);
CREATE INDEX ix_volumes_group_id ON volumes (group_id);
CREATE INDEX ix_volumes_place ON volumes (host, backend);
CREATE INDEX ix_volumes_project_created ON volumes (project_id, created_at, sequence);
CREATE INDEX ix_volumes_snapshot_id ON volumes (snapshot_id);
CREATE INDEX ix_volumes_source_volume_id ON volumes (source_volume_id);
CREATE INDEX ix_volumes_status ON volumes (status);
CREATE INDEX ix_volumes_type ON volumes (type_id);
CREATE TABLE address_group_members (
	address_group_id VARCHAR(36) NOT NULL,
	address VARCHAR(64) NOT NULL,
	CONSTRAINT pk_address_group_members PRIMARY KEY (address_group_id, address),
	CONSTRAINT fk_address_group_members_address_group_id_address_groups FOREIGN KEY(address_group_id) REFERENCES address_groups (id)
);
CREATE TABLE compute_aggregate_hosts (
	aggregate_id INTEGER NOT NULL,
	host VARCHAR(255) NOT NULL,
	CONSTRAINT pk_compute_aggregate_hosts PRIMARY KEY (aggregate_id, host),
	CONSTRAINT fk_compute_aggregate_hosts_aggregate_id_compute_aggregates FOREIGN KEY(aggregate_id) REFERENCES compute_aggregates (id)
);
CREATE INDEX ix_compute_aggregate_hosts_host ON compute_aggregate_hosts (host);
CREATE TABLE compute_aggregate_metadata (
	aggregate_id INTEGER NOT NULL,
	"key" VARCHAR(255) NOT NULL,
	value VARCHAR(255) NOT NULL,
	CONSTRAINT pk_compute_aggregate_metadata PRIMARY KEY (aggregate_id, "key"),
	CONSTRAINT fk_compute_aggregate_metadata_aggregate_id_compute_aggregates FOREIGN KEY(aggregate_id) REFERENCES compute_aggregates (id)
);
CREATE INDEX ix_compute_aggregate_metadata_key ON compute_aggregate_metadata ("key");
CREATE TABLE compute_migrations (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	uuid VARCHAR(36) NOT NULL,
	server_id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	user_id VARCHAR(64) NOT NULL,
	migration_type VARCHAR(32) NOT NULL,
	status VARCHAR(32) NOT NULL,
	hidden BOOLEAN NOT NULL,
	source_compute VARCHAR(255),
	source_node VARCHAR(255),
	dest_compute VARCHAR(255),
	dest_node VARCHAR(255),
	dest_host VARCHAR(255),
	old_flavor VARCHAR(255),
	new_flavor VARCHAR(255),
	progress TEXT NOT NULL,
	"before" TEXT NOT NULL,
	"after" TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	CONSTRAINT uq_compute_migrations_uuid UNIQUE (uuid),
	CONSTRAINT fk_compute_migrations_server_id_servers FOREIGN KEY(server_id) REFERENCES servers (id)
);
CREATE INDEX ix_compute_migrations_project_id ON compute_migrations (project_id);
CREATE INDEX ix_compute_migrations_server_id ON compute_migrations (server_id);
CREATE INDEX ix_compute_migrations_status ON compute_migrations (status, updated_at);
CREATE TABLE compute_scheduling_records (
	server_id VARCHAR(36) NOT NULL,
	operation_id VARCHAR(36) NOT NULL,
	at BIGINT NOT NULL,
	record TEXT NOT NULL,
	CONSTRAINT pk_compute_scheduling_records PRIMARY KEY (server_id, operation_id),
	CONSTRAINT fk_compute_scheduling_records_server_id_servers FOREIGN KEY(server_id) REFERENCES servers (id)
);
CREATE TABLE compute_server_group_members (
	server_id VARCHAR(36) NOT NULL,
	group_id VARCHAR(36) NOT NULL,
	CONSTRAINT pk_compute_server_group_members PRIMARY KEY (server_id),
	CONSTRAINT fk_compute_server_group_members_server_id_servers FOREIGN KEY(server_id) REFERENCES servers (id),
	CONSTRAINT fk_compute_server_group_members_group_id_compute_server_groups FOREIGN KEY(group_id) REFERENCES compute_server_groups (id)
);
CREATE INDEX ix_compute_server_group_members_group_id ON compute_server_group_members (group_id);
CREATE TABLE compute_server_passwords (
	server_id VARCHAR(36) NOT NULL,
	password TEXT NOT NULL,
	CONSTRAINT pk_compute_server_passwords PRIMARY KEY (server_id),
	CONSTRAINT fk_compute_server_passwords_server_id_servers FOREIGN KEY(server_id) REFERENCES servers (id)
);
CREATE TABLE compute_server_topologies (
	server_id VARCHAR(36) NOT NULL,
	host VARCHAR(255) NOT NULL,
	flavor_id VARCHAR(255) NOT NULL,
	topology TEXT,
	devices TEXT NOT NULL,
	resources TEXT NOT NULL,
	CONSTRAINT pk_compute_server_topologies PRIMARY KEY (server_id, host, flavor_id),
	CONSTRAINT fk_compute_server_topologies_server_id_servers FOREIGN KEY(server_id) REFERENCES servers (id)
);
CREATE INDEX ix_compute_server_topologies_host ON compute_server_topologies (host);
CREATE TABLE compute_server_volumes (
	sequence INTEGER NOT NULL,
	id VARCHAR(36) NOT NULL,
	server_id VARCHAR(36) NOT NULL,
	volume_id VARCHAR(36),
	attachment_id VARCHAR(36),
	state VARCHAR(16) NOT NULL,
	device VARCHAR(255),
	boot_index INTEGER,
	bus VARCHAR(16) NOT NULL,
	device_type VARCHAR(16) NOT NULL,
	tag VARCHAR(60),
	delete_on_termination BOOLEAN NOT NULL,
	source_type VARCHAR(16) NOT NULL,
	source_id VARCHAR(36),
	size_gib INTEGER,
	volume_type VARCHAR(255),
	made BOOLEAN NOT NULL,
	address TEXT,
	created_at BIGINT NOT NULL,
	CONSTRAINT pk_compute_server_volumes PRIMARY KEY (sequence),
	CONSTRAINT uq_compute_server_volumes_server_id_volume_id UNIQUE (server_id, volume_id),
	CONSTRAINT uq_compute_server_volumes_id UNIQUE (id),
	CONSTRAINT fk_compute_server_volumes_server_id_servers FOREIGN KEY(server_id) REFERENCES servers (id)
);
CREATE INDEX ix_compute_server_volumes_volume_id ON compute_server_volumes (volume_id);
CREATE TABLE lb_availability_zones (
	id VARCHAR(255) NOT NULL,
	description VARCHAR(255) NOT NULL,
	enabled BOOLEAN NOT NULL,
	availability_zone_profile_id VARCHAR(36) NOT NULL,
	CONSTRAINT pk_lb_availability_zones PRIMARY KEY (id),
	CONSTRAINT fk_lb_availability_zones_availability_zone_profile_id_lb_availability_zone_profiles FOREIGN KEY(availability_zone_profile_id) REFERENCES lb_availability_zone_profiles (id)
);
CREATE INDEX ix_lb_availability_zones_availability_zone_profile_id ON lb_availability_zones (availability_zone_profile_id);
CREATE TABLE lb_flavors (
	id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description VARCHAR(255) NOT NULL,
	enabled BOOLEAN NOT NULL,
	flavor_profile_id VARCHAR(36) NOT NULL,
	CONSTRAINT pk_lb_flavors PRIMARY KEY (id),
	CONSTRAINT uq_lb_flavors_name UNIQUE (name),
	CONSTRAINT fk_lb_flavors_flavor_profile_id_lb_flavor_profiles FOREIGN KEY(flavor_profile_id) REFERENCES lb_flavor_profiles (id)
);
CREATE INDEX ix_lb_flavors_flavor_profile_id ON lb_flavors (flavor_profile_id);
CREATE TABLE lb_pools (
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	provisioning_status VARCHAR(16) NOT NULL,
	operating_status VARCHAR(16) NOT NULL,
	admin_state_up BOOLEAN NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	name VARCHAR(255) NOT NULL,
	description VARCHAR(255) NOT NULL,
	load_balancer_id VARCHAR(36) NOT NULL,
	protocol VARCHAR(16) NOT NULL,
	lb_algorithm VARCHAR(32) NOT NULL,
	session_persistence TEXT,
	tls_container_ref VARCHAR(255),
	ca_tls_container_ref VARCHAR(255),
	crl_container_ref VARCHAR(255),
	tls_enabled BOOLEAN NOT NULL,
	tls_ciphers VARCHAR(2048),
	tls_versions TEXT,
	alpn_protocols TEXT,
	CONSTRAINT pk_lb_pools PRIMARY KEY (id),
	CONSTRAINT fk_lb_pools_load_balancer_id_lb_load_balancers FOREIGN KEY(load_balancer_id) REFERENCES lb_load_balancers (id)
);
CREATE INDEX ix_lb_pools_load_balancer_id ON lb_pools (load_balancer_id);
CREATE INDEX ix_lb_pools_project_id ON lb_pools (project_id);
CREATE TABLE limits (
	id VARCHAR(64) NOT NULL,
	registered_limit_id VARCHAR(64) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	domain_id VARCHAR(64) NOT NULL,
	resource_limit INTEGER NOT NULL,
	description TEXT,
	CONSTRAINT pk_limits PRIMARY KEY (id),
	CONSTRAINT uq_limits_registered_limit_id_project_id_domain_id UNIQUE (registered_limit_id, project_id, domain_id),
	CONSTRAINT fk_limits_registered_limit_id_registered_limits FOREIGN KEY(registered_limit_id) REFERENCES registered_limits (id)
);
CREATE INDEX ix_limits_project_id ON limits (project_id);
CREATE TABLE metadef_associations (
	namespace_id VARCHAR(36) NOT NULL,
	name VARCHAR(80) NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	prefix VARCHAR(80),
	properties_target VARCHAR(80),
	CONSTRAINT pk_metadef_associations PRIMARY KEY (namespace_id, name),
	CONSTRAINT fk_metadef_associations_namespace_id_metadef_namespaces FOREIGN KEY(namespace_id) REFERENCES metadef_namespaces (id) ON DELETE CASCADE
);
CREATE TABLE metadef_objects (
	namespace_id VARCHAR(36) NOT NULL,
	name VARCHAR(80) NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	description TEXT,
	required TEXT,
	properties TEXT,
	CONSTRAINT pk_metadef_objects PRIMARY KEY (namespace_id, name),
	CONSTRAINT fk_metadef_objects_namespace_id_metadef_namespaces FOREIGN KEY(namespace_id) REFERENCES metadef_namespaces (id) ON DELETE CASCADE
);
CREATE TABLE metadef_properties (
	namespace_id VARCHAR(36) NOT NULL,
	name VARCHAR(80) NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	definition TEXT NOT NULL,
	CONSTRAINT pk_metadef_properties PRIMARY KEY (namespace_id, name),
	CONSTRAINT fk_metadef_properties_namespace_id_metadef_namespaces FOREIGN KEY(namespace_id) REFERENCES metadef_namespaces (id) ON DELETE CASCADE
);
CREATE TABLE metadef_tags (
	namespace_id VARCHAR(36) NOT NULL,
	name VARCHAR(80) NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	CONSTRAINT pk_metadef_tags PRIMARY KEY (namespace_id, name),
	CONSTRAINT fk_metadef_tags_namespace_id_metadef_namespaces FOREIGN KEY(namespace_id) REFERENCES metadef_namespaces (id) ON DELETE CASCADE
);
CREATE TABLE network_flavor_profiles (
	flavor_id VARCHAR(36) NOT NULL,
	service_profile_id VARCHAR(36) NOT NULL,
	CONSTRAINT pk_network_flavor_profiles PRIMARY KEY (flavor_id, service_profile_id),
	CONSTRAINT fk_network_flavor_profiles_flavor_id_network_flavors FOREIGN KEY(flavor_id) REFERENCES network_flavors (id),
	CONSTRAINT fk_network_flavor_profiles_service_profile_id_service_profiles FOREIGN KEY(service_profile_id) REFERENCES service_profiles (id)
);
CREATE INDEX ix_network_flavor_profiles_service_profile_id ON network_flavor_profiles (service_profile_id);
CREATE TABLE networks (
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(255) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description VARCHAR(255) NOT NULL,
	revision_number BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	admin_state_up BOOLEAN NOT NULL,
	external BOOLEAN NOT NULL,
	is_default BOOLEAN NOT NULL,
	mtu INTEGER NOT NULL,
	port_security_enabled BOOLEAN NOT NULL,
	network_type VARCHAR(32) NOT NULL,
	physical_network VARCHAR(64),
	segmentation_id INTEGER,
	availability_zone_hints TEXT NOT NULL,
	segment_key VARCHAR(128),
	qos_policy_id VARCHAR(36),
	dns_domain VARCHAR(255) DEFAULT '' NOT NULL,
	vlan_transparent BOOLEAN,
	qinq BOOLEAN,
	CONSTRAINT pk_networks PRIMARY KEY (id),
	CONSTRAINT uq_networks_segment_key UNIQUE (segment_key),
	CONSTRAINT fk_networks_qos_policy_id_qos_policies FOREIGN KEY(qos_policy_id) REFERENCES qos_policies (id)
);
CREATE INDEX ix_networks_project_id ON networks (project_id);
CREATE INDEX ix_networks_qos_policy_id ON networks (qos_policy_id);
CREATE TABLE qos_rules (
	id VARCHAR(36) NOT NULL,
	policy_id VARCHAR(36) NOT NULL,
	type VARCHAR(32) NOT NULL,
	direction VARCHAR(8) NOT NULL,
	max_kbps INTEGER,
	max_burst_kbps INTEGER,
	dscp_mark INTEGER,
	min_kbps INTEGER,
	min_kpps INTEGER,
	CONSTRAINT pk_qos_rules PRIMARY KEY (id),
	CONSTRAINT uq_qos_rules_policy_id_type_direction UNIQUE (policy_id, type, direction),
	CONSTRAINT fk_qos_rules_policy_id_qos_policies FOREIGN KEY(policy_id) REFERENCES qos_policies (id)
);
CREATE TABLE security_group_rules (
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(255) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description VARCHAR(255) NOT NULL,
	revision_number BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	security_group_id VARCHAR(36) NOT NULL,
	direction VARCHAR(8) NOT NULL,
	ethertype VARCHAR(8) NOT NULL,
	protocol VARCHAR(40),
	port_range_min INTEGER,
	port_range_max INTEGER,
	remote_ip_prefix VARCHAR(64),
	normalized_cidr VARCHAR(64),
	remote_group_id VARCHAR(36),
	remote_address_group_id VARCHAR(36),
	canonical VARCHAR(255) NOT NULL,
	CONSTRAINT pk_security_group_rules PRIMARY KEY (id),
	CONSTRAINT uq_security_group_rules_security_group_id_canonical UNIQUE (security_group_id, canonical),
	CONSTRAINT fk_security_group_rules_security_group_id_security_groups FOREIGN KEY(security_group_id) REFERENCES security_groups (id),
	CONSTRAINT fk_security_group_rules_remote_group_id_security_groups FOREIGN KEY(remote_group_id) REFERENCES security_groups (id),
	CONSTRAINT fk_security_group_rules_remote_address_group_id_address_groups FOREIGN KEY(remote_address_group_id) REFERENCES address_groups (id)
);
CREATE INDEX ix_security_group_rules_project_id ON security_group_rules (project_id);
CREATE INDEX ix_security_group_rules_remote_address_group_id ON security_group_rules (remote_address_group_id);
CREATE INDEX ix_security_group_rules_remote_group_id ON security_group_rules (remote_group_id);
CREATE INDEX ix_security_group_rules_security_group_id ON security_group_rules (security_group_id);
CREATE TABLE server_bindings (
	server_id VARCHAR(36) NOT NULL,
	host VARCHAR(255) NOT NULL,
	node VARCHAR(255) NOT NULL,
	state VARCHAR(16) NOT NULL,
	CONSTRAINT pk_server_bindings PRIMARY KEY (server_id, host),
	CONSTRAINT fk_server_bindings_server_id_servers FOREIGN KEY(server_id) REFERENCES servers (id)
);
CREATE UNIQUE INDEX uq_server_bindings_incoming ON server_bindings (server_id) WHERE state = 'incoming';
CREATE TABLE subnet_pools (
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(255) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description VARCHAR(255) NOT NULL,
	revision_number BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	ip_version INTEGER NOT NULL,
	prefixes TEXT NOT NULL,
	min_prefixlen INTEGER NOT NULL,
	max_prefixlen INTEGER NOT NULL,
	default_prefixlen INTEGER NOT NULL,
	default_quota INTEGER,
	address_scope_id VARCHAR(36),
	is_default BOOLEAN NOT NULL,
	CONSTRAINT pk_subnet_pools PRIMARY KEY (id),
	CONSTRAINT fk_subnet_pools_address_scope_id_address_scopes FOREIGN KEY(address_scope_id) REFERENCES address_scopes (id)
);
CREATE INDEX ix_subnet_pools_address_scope_id ON subnet_pools (address_scope_id);
CREATE INDEX ix_subnet_pools_project_id ON subnet_pools (project_id);
CREATE TABLE lb_health_monitors (
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	provisioning_status VARCHAR(16) NOT NULL,
	operating_status VARCHAR(16) NOT NULL,
	admin_state_up BOOLEAN NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	name VARCHAR(255) NOT NULL,
	load_balancer_id VARCHAR(36) NOT NULL,
	pool_id VARCHAR(36) NOT NULL,
	type VARCHAR(16) NOT NULL,
	delay INTEGER NOT NULL,
	timeout INTEGER NOT NULL,
	max_retries INTEGER NOT NULL,
	max_retries_down INTEGER NOT NULL,
	http_method VARCHAR(16),
	url_path VARCHAR(2048),
	expected_codes VARCHAR(64),
	http_version FLOAT,
	domain_name VARCHAR(255),
	CONSTRAINT pk_lb_health_monitors PRIMARY KEY (id),
	CONSTRAINT fk_lb_health_monitors_load_balancer_id_lb_load_balancers FOREIGN KEY(load_balancer_id) REFERENCES lb_load_balancers (id),
	CONSTRAINT uq_lb_health_monitors_pool_id UNIQUE (pool_id),
	CONSTRAINT fk_lb_health_monitors_pool_id_lb_pools FOREIGN KEY(pool_id) REFERENCES lb_pools (id)
);
CREATE INDEX ix_lb_health_monitors_load_balancer_id ON lb_health_monitors (load_balancer_id);
CREATE INDEX ix_lb_health_monitors_project_id ON lb_health_monitors (project_id);
CREATE TABLE lb_listeners (
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	provisioning_status VARCHAR(16) NOT NULL,
	operating_status VARCHAR(16) NOT NULL,
	admin_state_up BOOLEAN NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	name VARCHAR(255) NOT NULL,
	description VARCHAR(255) NOT NULL,
	load_balancer_id VARCHAR(36) NOT NULL,
	protocol VARCHAR(16) NOT NULL,
	protocol_port INTEGER NOT NULL,
	transport VARCHAR(4) NOT NULL,
	connection_limit INTEGER NOT NULL,
	default_pool_id VARCHAR(36),
	default_tls_container_ref VARCHAR(255),
	sni_container_refs TEXT NOT NULL,
	insert_headers TEXT NOT NULL,
	timeout_client_data BIGINT NOT NULL,
	timeout_member_connect BIGINT NOT NULL,
	timeout_member_data BIGINT NOT NULL,
	timeout_tcp_inspect BIGINT NOT NULL,
	allowed_cidrs TEXT,
	client_ca_tls_container_ref VARCHAR(255),
	client_authentication VARCHAR(16) NOT NULL,
	client_crl_container_ref VARCHAR(255),
	tls_ciphers VARCHAR(2048),
	tls_versions TEXT,
	alpn_protocols TEXT,
	hsts_max_age INTEGER,
	hsts_include_subdomains BOOLEAN NOT NULL,
	hsts_preload BOOLEAN NOT NULL,
	CONSTRAINT pk_lb_listeners PRIMARY KEY (id),
	CONSTRAINT uq_lb_listeners_load_balancer_id_transport_protocol_port UNIQUE (load_balancer_id, transport, protocol_port),
	CONSTRAINT fk_lb_listeners_load_balancer_id_lb_load_balancers FOREIGN KEY(load_balancer_id) REFERENCES lb_load_balancers (id),
	CONSTRAINT fk_lb_listeners_default_pool_id_lb_pools FOREIGN KEY(default_pool_id) REFERENCES lb_pools (id)
);
CREATE INDEX ix_lb_listeners_default_pool_id ON lb_listeners (default_pool_id);
CREATE INDEX ix_lb_listeners_load_balancer_id ON lb_listeners (load_balancer_id);
CREATE INDEX ix_lb_listeners_project_id ON lb_listeners (project_id);
CREATE TABLE lb_members (
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	provisioning_status VARCHAR(16) NOT NULL,
	operating_status VARCHAR(16) NOT NULL,
	admin_state_up BOOLEAN NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	name VARCHAR(255) NOT NULL,
	load_balancer_id VARCHAR(36) NOT NULL,
	pool_id VARCHAR(36) NOT NULL,
	address VARCHAR(64) NOT NULL,
	protocol_port INTEGER NOT NULL,
	weight INTEGER NOT NULL,
	backup BOOLEAN NOT NULL,
	subnet_id VARCHAR(36),
	monitor_address VARCHAR(64),
	monitor_port INTEGER,
	vnic_type VARCHAR(64) NOT NULL,
	CONSTRAINT pk_lb_members PRIMARY KEY (id),
	CONSTRAINT uq_lb_members_pool_id_address_protocol_port UNIQUE (pool_id, address, protocol_port),
	CONSTRAINT fk_lb_members_load_balancer_id_lb_load_balancers FOREIGN KEY(load_balancer_id) REFERENCES lb_load_balancers (id),
	CONSTRAINT fk_lb_members_pool_id_lb_pools FOREIGN KEY(pool_id) REFERENCES lb_pools (id)
);
CREATE INDEX ix_lb_members_load_balancer_id ON lb_members (load_balancer_id);
CREATE INDEX ix_lb_members_pool_id ON lb_members (pool_id);
CREATE INDEX ix_lb_members_project_id ON lb_members (project_id);
CREATE TABLE network_segments (
	id VARCHAR(36) NOT NULL,
	network_id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description VARCHAR(255) NOT NULL,
	revision_number BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	CONSTRAINT pk_network_segments PRIMARY KEY (id),
	CONSTRAINT uq_network_segments_network_id UNIQUE (network_id),
	CONSTRAINT fk_network_segments_network_id_networks FOREIGN KEY(network_id) REFERENCES networks (id)
);
CREATE TABLE ports (
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(255) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description VARCHAR(255) NOT NULL,
	revision_number BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	network_id VARCHAR(36) NOT NULL,
	mac_address VARCHAR(32) NOT NULL,
	admin_state_up BOOLEAN NOT NULL,
	status VARCHAR(16) NOT NULL,
	device_id VARCHAR(255) NOT NULL,
	device_owner VARCHAR(255) NOT NULL,
	port_security_enabled BOOLEAN NOT NULL,
	address_pairs TEXT NOT NULL,
	role VARCHAR(16) NOT NULL,
	server_id VARCHAR(36),
	server_position INTEGER NOT NULL,
	made_for_server BOOLEAN NOT NULL,
	dns_name VARCHAR(255) DEFAULT '' NOT NULL,
	dns_domain VARCHAR(255) DEFAULT '' NOT NULL,
	network_domain VARCHAR(255) DEFAULT '' NOT NULL,
	user_id VARCHAR(64) DEFAULT '' NOT NULL,
	data_plane_status VARCHAR(16),
	trusted BOOLEAN,
	mac_learning_enabled BOOLEAN,
	qos_policy_id VARCHAR(36),
	CONSTRAINT pk_ports PRIMARY KEY (id),
	CONSTRAINT uq_ports_network_id_mac_address UNIQUE (network_id, mac_address),
	CONSTRAINT fk_ports_network_id_networks FOREIGN KEY(network_id) REFERENCES networks (id),
	CONSTRAINT fk_ports_qos_policy_id_qos_policies FOREIGN KEY(qos_policy_id) REFERENCES qos_policies (id)
);
CREATE INDEX ix_ports_device_id ON ports (device_id);
CREATE INDEX ix_ports_network_id_role ON ports (network_id, role);
CREATE INDEX ix_ports_project_id ON ports (project_id);
CREATE INDEX ix_ports_qos_policy_id ON ports (qos_policy_id);
CREATE INDEX ix_ports_server_id ON ports (server_id);
CREATE TABLE subnets (
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(255) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description VARCHAR(255) NOT NULL,
	revision_number BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	network_id VARCHAR(36) NOT NULL,
	ip_version INTEGER NOT NULL,
	cidr VARCHAR(64) NOT NULL,
	gateway_ip VARCHAR(64),
	enable_dhcp BOOLEAN NOT NULL,
	allocation_pools TEXT NOT NULL,
	dns_nameservers TEXT NOT NULL,
	host_routes TEXT NOT NULL,
	ipv6_ra_mode VARCHAR(16),
	ipv6_address_mode VARCHAR(16),
	subnetpool_id VARCHAR(36),
	dns_publish_fixed_ip BOOLEAN DEFAULT 0 NOT NULL,
	service_types TEXT DEFAULT '[]' NOT NULL,
	CONSTRAINT pk_subnets PRIMARY KEY (id),
	CONSTRAINT fk_subnets_network_id_networks FOREIGN KEY(network_id) REFERENCES networks (id),
	CONSTRAINT fk_subnets_subnetpool_id_subnet_pools FOREIGN KEY(subnetpool_id) REFERENCES subnet_pools (id)
);
CREATE INDEX ix_subnets_network_id ON subnets (network_id);
CREATE INDEX ix_subnets_project_id ON subnets (project_id);
CREATE INDEX ix_subnets_subnetpool_id ON subnets (subnetpool_id);
CREATE TABLE ip_allocations (
	subnet_id VARCHAR(36) NOT NULL,
	position VARCHAR(32) NOT NULL,
	address VARCHAR(64) NOT NULL,
	port_id VARCHAR(36) NOT NULL,
	network_id VARCHAR(36) NOT NULL,
	ordinal INTEGER NOT NULL,
	CONSTRAINT pk_ip_allocations PRIMARY KEY (subnet_id, position),
	CONSTRAINT uq_ip_allocations_network_id_address UNIQUE (network_id, address),
	CONSTRAINT fk_ip_allocations_subnet_id_subnets FOREIGN KEY(subnet_id) REFERENCES subnets (id),
	CONSTRAINT fk_ip_allocations_port_id_ports FOREIGN KEY(port_id) REFERENCES ports (id)
);
CREATE INDEX ix_ip_allocations_address ON ip_allocations (address);
CREATE INDEX ix_ip_allocations_port_id ON ip_allocations (port_id);
CREATE TABLE lb_l7policies (
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	provisioning_status VARCHAR(16) NOT NULL,
	operating_status VARCHAR(16) NOT NULL,
	admin_state_up BOOLEAN NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	name VARCHAR(255) NOT NULL,
	description VARCHAR(255) NOT NULL,
	load_balancer_id VARCHAR(36) NOT NULL,
	listener_id VARCHAR(36) NOT NULL,
	action VARCHAR(32) NOT NULL,
	position INTEGER NOT NULL,
	redirect_pool_id VARCHAR(36),
	redirect_url VARCHAR(255),
	redirect_prefix VARCHAR(255),
	redirect_http_code INTEGER,
	CONSTRAINT pk_lb_l7policies PRIMARY KEY (id),
	CONSTRAINT fk_lb_l7policies_load_balancer_id_lb_load_balancers FOREIGN KEY(load_balancer_id) REFERENCES lb_load_balancers (id),
	CONSTRAINT fk_lb_l7policies_listener_id_lb_listeners FOREIGN KEY(listener_id) REFERENCES lb_listeners (id),
	CONSTRAINT fk_lb_l7policies_redirect_pool_id_lb_pools FOREIGN KEY(redirect_pool_id) REFERENCES lb_pools (id)
);
CREATE INDEX ix_lb_l7policies_listener_id ON lb_l7policies (listener_id);
CREATE INDEX ix_lb_l7policies_load_balancer_id ON lb_l7policies (load_balancer_id);
CREATE INDEX ix_lb_l7policies_project_id ON lb_l7policies (project_id);
CREATE INDEX ix_lb_l7policies_redirect_pool_id ON lb_l7policies (redirect_pool_id);
CREATE TABLE port_bindings (
	port_id VARCHAR(36) NOT NULL,
	host VARCHAR(255) NOT NULL,
	vnic_type VARCHAR(32) NOT NULL,
	profile TEXT NOT NULL,
	vif_type VARCHAR(64) NOT NULL,
	vif_details TEXT NOT NULL,
	status VARCHAR(16) NOT NULL,
	CONSTRAINT pk_port_bindings PRIMARY KEY (port_id, host),
	CONSTRAINT fk_port_bindings_port_id_ports FOREIGN KEY(port_id) REFERENCES ports (id)
);
CREATE INDEX ix_port_bindings_host ON port_bindings (host);
CREATE UNIQUE INDEX uq_port_bindings_active ON port_bindings (port_id) WHERE status = 'ACTIVE';
CREATE TABLE port_dhcp_options (
	port_id VARCHAR(36) NOT NULL,
	ip_version INTEGER NOT NULL,
	name VARCHAR(64) NOT NULL,
	value VARCHAR(255) NOT NULL,
	network_id VARCHAR(36) NOT NULL,
	CONSTRAINT pk_port_dhcp_options PRIMARY KEY (port_id, ip_version, name),
	CONSTRAINT fk_port_dhcp_options_port_id_ports FOREIGN KEY(port_id) REFERENCES ports (id)
);
CREATE INDEX ix_port_dhcp_options_network_id ON port_dhcp_options (network_id);
CREATE TABLE port_security_groups (
	port_id VARCHAR(36) NOT NULL,
	security_group_id VARCHAR(36) NOT NULL,
	CONSTRAINT pk_port_security_groups PRIMARY KEY (port_id, security_group_id),
	CONSTRAINT fk_port_security_groups_port_id_ports FOREIGN KEY(port_id) REFERENCES ports (id),
	CONSTRAINT fk_port_security_groups_security_group_id_security_groups FOREIGN KEY(security_group_id) REFERENCES security_groups (id)
);
CREATE INDEX ix_port_security_groups_security_group_id ON port_security_groups (security_group_id);
CREATE TABLE routers (
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(255) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description VARCHAR(255) NOT NULL,
	revision_number BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	admin_state_up BOOLEAN NOT NULL,
	routes TEXT NOT NULL,
	enable_snat BOOLEAN NOT NULL,
	gateway_port_id VARCHAR(36),
	gateway_network_id VARCHAR(36),
	gateway_qos_policy_id VARCHAR(36),
	availability_zone_hints TEXT NOT NULL,
	flavor_id VARCHAR(36),
	default_route_ecmp BOOLEAN DEFAULT 0 NOT NULL,
	default_route_bfd BOOLEAN DEFAULT 0 NOT NULL,
	ndp_proxy BOOLEAN DEFAULT 0 NOT NULL,
	CONSTRAINT pk_routers PRIMARY KEY (id),
	CONSTRAINT fk_routers_gateway_port_id_ports FOREIGN KEY(gateway_port_id) REFERENCES ports (id),
	CONSTRAINT fk_routers_gateway_qos_policy_id_qos_policies FOREIGN KEY(gateway_qos_policy_id) REFERENCES qos_policies (id),
	CONSTRAINT fk_routers_flavor_id_network_flavors FOREIGN KEY(flavor_id) REFERENCES network_flavors (id)
);
CREATE INDEX ix_routers_flavor_id ON routers (flavor_id);
CREATE INDEX ix_routers_gateway_network_id ON routers (gateway_network_id);
CREATE INDEX ix_routers_gateway_qos_policy_id ON routers (gateway_qos_policy_id);
CREATE INDEX ix_routers_project_id ON routers (project_id);
CREATE TABLE subnet_free_ranges (
	subnet_id VARCHAR(36) NOT NULL,
	first VARCHAR(32) NOT NULL,
	last VARCHAR(32) NOT NULL,
	CONSTRAINT pk_subnet_free_ranges PRIMARY KEY (subnet_id, first),
	CONSTRAINT fk_subnet_free_ranges_subnet_id_subnets FOREIGN KEY(subnet_id) REFERENCES subnets (id)
);
CREATE TABLE trunks (
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(255) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description VARCHAR(255) NOT NULL,
	revision_number BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	port_id VARCHAR(36) NOT NULL,
	admin_state_up BOOLEAN NOT NULL,
	CONSTRAINT pk_trunks PRIMARY KEY (id),
	CONSTRAINT uq_trunks_port_id UNIQUE (port_id),
	CONSTRAINT fk_trunks_port_id_ports FOREIGN KEY(port_id) REFERENCES ports (id)
);
CREATE INDEX ix_trunks_project_id ON trunks (project_id);
CREATE TABLE floating_ips (
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(255) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description VARCHAR(255) NOT NULL,
	revision_number BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	floating_network_id VARCHAR(36) NOT NULL,
	floating_ip_address VARCHAR(64) NOT NULL,
	floating_port_id VARCHAR(36) NOT NULL,
	port_id VARCHAR(36),
	fixed_ip_address VARCHAR(64),
	router_id VARCHAR(36),
	status VARCHAR(16) NOT NULL,
	qos_policy_id VARCHAR(36),
	dns_name VARCHAR(255) DEFAULT '' NOT NULL,
	dns_domain VARCHAR(255) DEFAULT '' NOT NULL,
	CONSTRAINT pk_floating_ips PRIMARY KEY (id),
	CONSTRAINT uq_floating_ips_port_id_fixed_ip_address UNIQUE (port_id, fixed_ip_address),
	CONSTRAINT fk_floating_ips_floating_network_id_networks FOREIGN KEY(floating_network_id) REFERENCES networks (id),
	CONSTRAINT uq_floating_ips_floating_port_id UNIQUE (floating_port_id),
	CONSTRAINT fk_floating_ips_floating_port_id_ports FOREIGN KEY(floating_port_id) REFERENCES ports (id),
	CONSTRAINT fk_floating_ips_port_id_ports FOREIGN KEY(port_id) REFERENCES ports (id),
	CONSTRAINT fk_floating_ips_router_id_routers FOREIGN KEY(router_id) REFERENCES routers (id),
	CONSTRAINT fk_floating_ips_qos_policy_id_qos_policies FOREIGN KEY(qos_policy_id) REFERENCES qos_policies (id)
);
CREATE INDEX ix_floating_ips_floating_ip_address ON floating_ips (floating_ip_address);
CREATE INDEX ix_floating_ips_floating_network_id ON floating_ips (floating_network_id);
CREATE INDEX ix_floating_ips_project_id ON floating_ips (project_id);
CREATE INDEX ix_floating_ips_qos_policy_id ON floating_ips (qos_policy_id);
CREATE INDEX ix_floating_ips_router_id ON floating_ips (router_id);
CREATE TABLE lb_l7rules (
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(64) NOT NULL,
	provisioning_status VARCHAR(16) NOT NULL,
	operating_status VARCHAR(16) NOT NULL,
	admin_state_up BOOLEAN NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	load_balancer_id VARCHAR(36) NOT NULL,
	l7policy_id VARCHAR(36) NOT NULL,
	type VARCHAR(32) NOT NULL,
	compare_type VARCHAR(32) NOT NULL,
	"key" VARCHAR(255),
	value VARCHAR(255) NOT NULL,
	invert BOOLEAN NOT NULL,
	CONSTRAINT pk_lb_l7rules PRIMARY KEY (id),
	CONSTRAINT fk_lb_l7rules_load_balancer_id_lb_load_balancers FOREIGN KEY(load_balancer_id) REFERENCES lb_load_balancers (id),
	CONSTRAINT fk_lb_l7rules_l7policy_id_lb_l7policies FOREIGN KEY(l7policy_id) REFERENCES lb_l7policies (id)
);
CREATE INDEX ix_lb_l7rules_l7policy_id ON lb_l7rules (l7policy_id);
CREATE INDEX ix_lb_l7rules_load_balancer_id ON lb_l7rules (load_balancer_id);
CREATE INDEX ix_lb_l7rules_project_id ON lb_l7rules (project_id);
CREATE TABLE ndp_proxies (
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(255) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description VARCHAR(255) NOT NULL,
	revision_number BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	router_id VARCHAR(36) NOT NULL,
	port_id VARCHAR(36) NOT NULL,
	ip_address VARCHAR(64) NOT NULL,
	CONSTRAINT pk_ndp_proxies PRIMARY KEY (id),
	CONSTRAINT uq_ndp_proxies_router_id_ip_address UNIQUE (router_id, ip_address),
	CONSTRAINT fk_ndp_proxies_router_id_routers FOREIGN KEY(router_id) REFERENCES routers (id),
	CONSTRAINT fk_ndp_proxies_port_id_ports FOREIGN KEY(port_id) REFERENCES ports (id)
);
CREATE INDEX ix_ndp_proxies_port_id ON ndp_proxies (port_id);
CREATE INDEX ix_ndp_proxies_project_id ON ndp_proxies (project_id);
CREATE INDEX ix_ndp_proxies_router_id ON ndp_proxies (router_id);
CREATE TABLE router_gateways (
	port_id VARCHAR(36) NOT NULL,
	router_id VARCHAR(36) NOT NULL,
	network_id VARCHAR(36) NOT NULL,
	enable_snat BOOLEAN NOT NULL,
	qos_policy_id VARCHAR(36),
	position INTEGER NOT NULL,
	CONSTRAINT pk_router_gateways PRIMARY KEY (port_id),
	CONSTRAINT fk_router_gateways_port_id_ports FOREIGN KEY(port_id) REFERENCES ports (id),
	CONSTRAINT fk_router_gateways_router_id_routers FOREIGN KEY(router_id) REFERENCES routers (id),
	CONSTRAINT fk_router_gateways_qos_policy_id_qos_policies FOREIGN KEY(qos_policy_id) REFERENCES qos_policies (id)
);
CREATE INDEX ix_router_gateways_network_id ON router_gateways (network_id);
CREATE INDEX ix_router_gateways_qos_policy_id ON router_gateways (qos_policy_id);
CREATE INDEX ix_router_gateways_router_id ON router_gateways (router_id);
CREATE TABLE router_hosts (
	router_id VARCHAR(36) NOT NULL,
	host VARCHAR(255) NOT NULL,
	priority INTEGER NOT NULL,
	CONSTRAINT pk_router_hosts PRIMARY KEY (router_id, host),
	CONSTRAINT uq_router_hosts_router_id_priority UNIQUE (router_id, priority),
	CONSTRAINT fk_router_hosts_router_id_routers FOREIGN KEY(router_id) REFERENCES routers (id)
);
CREATE INDEX ix_router_hosts_host ON router_hosts (host);
CREATE TABLE router_subnets (
	router_id VARCHAR(36) NOT NULL,
	subnet_id VARCHAR(36) NOT NULL,
	port_id VARCHAR(36) NOT NULL,
	CONSTRAINT pk_router_subnets PRIMARY KEY (router_id, subnet_id),
	CONSTRAINT fk_router_subnets_router_id_routers FOREIGN KEY(router_id) REFERENCES routers (id),
	CONSTRAINT fk_router_subnets_subnet_id_subnets FOREIGN KEY(subnet_id) REFERENCES subnets (id),
	CONSTRAINT fk_router_subnets_port_id_ports FOREIGN KEY(port_id) REFERENCES ports (id)
);
CREATE INDEX ix_router_subnets_port_id ON router_subnets (port_id);
CREATE INDEX ix_router_subnets_subnet_id ON router_subnets (subnet_id);
CREATE TABLE trunk_subports (
	port_id VARCHAR(36) NOT NULL,
	trunk_id VARCHAR(36) NOT NULL,
	segmentation_type VARCHAR(16) NOT NULL,
	segmentation_id INTEGER NOT NULL,
	CONSTRAINT pk_trunk_subports PRIMARY KEY (port_id),
	CONSTRAINT uq_trunk_subports_trunk_id_segmentation_type_segmentation_id UNIQUE (trunk_id, segmentation_type, segmentation_id),
	CONSTRAINT fk_trunk_subports_port_id_ports FOREIGN KEY(port_id) REFERENCES ports (id),
	CONSTRAINT fk_trunk_subports_trunk_id_trunks FOREIGN KEY(trunk_id) REFERENCES trunks (id)
);
CREATE TABLE port_forwardings (
	id VARCHAR(36) NOT NULL,
	project_id VARCHAR(255) NOT NULL,
	name VARCHAR(255) NOT NULL,
	description VARCHAR(255) NOT NULL,
	revision_number BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	floating_ip_id VARCHAR(36) NOT NULL,
	protocol VARCHAR(8) NOT NULL,
	external_first INTEGER NOT NULL,
	external_last INTEGER NOT NULL,
	internal_port_id VARCHAR(36) NOT NULL,
	internal_ip_address VARCHAR(64) NOT NULL,
	internal_first INTEGER NOT NULL,
	internal_last INTEGER NOT NULL,
	CONSTRAINT pk_port_forwardings PRIMARY KEY (id),
	CONSTRAINT fk_port_forwardings_floating_ip_id_floating_ips FOREIGN KEY(floating_ip_id) REFERENCES floating_ips (id),
	CONSTRAINT fk_port_forwardings_internal_port_id_ports FOREIGN KEY(internal_port_id) REFERENCES ports (id)
);
CREATE INDEX ix_port_forwardings_floating_ip_id ON port_forwardings (floating_ip_id);
CREATE INDEX ix_port_forwardings_internal_port_id ON port_forwardings (internal_port_id);
CREATE INDEX ix_port_forwardings_project_id ON port_forwardings (project_id);
