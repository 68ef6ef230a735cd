# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Applications whose sequences are known by name, and tables that count instead of a sequence.

An application is recognised by its tables. Pure: no SQL, no Ansible.
"""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._model import Guess, Mapping

if t.TYPE_CHECKING:
    from collections.abc import Mapping as Map
    from collections.abc import Sequence as List

    from ansible_collections.pgops.sequences.plugins.module_utils._model import Facts, Key, Orphan

KNOWN = "known application"

_PLAIN = Mapping()
# Negative numbers are before the near end of a sequence that counts up: only the other way they have to be told.
_NEGATIVE = Mapping(where="{0} < 0", expression="-{0}")
_BEHIND_THE_SLASH = Mapping(where="{0} ~ '/[0-9]+$'", expression="substring({0} from '[0-9]+$')::bigint")

_STREAMS = (("events", "stream_ordering"), ("current_state_delta_stream", "stream_id"))
_DEVICE_LISTS = (
    *("device_lists_stream", "device_lists_outbound_pokes", "device_lists_changes_in_room", "user_signature_stream"),
    *("device_lists_remote_pending", "device_lists_changes_converted_stream_position"),
)


_DSPACE_BY_ID = (
    *("entity_type", "relationship", "relationship_type", "orcid_history", "orcid_queue", "orcid_token"),
    *("notifyservice", "notifyservice_inbound_pattern", "notifypatterns_to_trigger"),
)


class Application(t.NamedTuple):
    """An application whose sequences feed what no catalog shows.

    :ivar name: with the version its list was taken from
    :ivar least: how many of its tables have to be there
    :ivar feeds: sequence, table, column, and what is to be said of them
    """

    name: str
    least: int
    feeds: tuple[tuple[str, str, str, Mapping], ...]


def _plain(*feeds: tuple[str, str, str]) -> tuple[tuple[str, str, str, Mapping], ...]:
    return tuple((*feed, _PLAIN) for feed in feeds)


def _alfresco() -> tuple[tuple[str, str, str, Mapping], ...]:
    names = (
        *("access_control_entry", "access_control_list", "ace_context", "acl_change_set", "acl_member"),
        *(
            "activity_feed",
            "activity_feed_control",
            "audit_app",
            "audit_entry",
            "audit_model",
            "auth_status",
            "authority",
        ),
        *("authority_alias", "child_assoc", "content_data", "content_url", "encoding", "locale", "lock"),
        *("lock_resource", "mimetype", "namespace", "node", "node_assoc", "permission", "prop_class"),
        *(
            "prop_double_value",
            "prop_root",
            "prop_serializable_value",
            "prop_string_value",
            "prop_unique_ctx",
            "prop_value",
            "qname",
        ),
        *("store", "transaction", "usage_delta"),
    )
    return _plain(
        *((f"alf_{name}_seq", f"alf_{name}", "id") for name in names),
        ("alf_content_url_enc_seq", "alf_content_url_encryption", "id"),
        ("alf_activity_post_seq", "alf_activity_post", "sequence_id"),
    )


APPLICATIONS = (
    Application(
        "Synapse 1.157",
        3,
        (
            *(("events_stream_seq", table, column, _PLAIN) for table, column in _STREAMS),
            ("events_stream_seq", "ex_outlier_stream", "event_stream_ordering", _PLAIN),
            ("events_backfill_stream_seq", "events", "stream_ordering", _NEGATIVE),
            ("events_backfill_stream_seq", "ex_outlier_stream", "event_stream_ordering", _NEGATIVE),
            *_plain(
                *(("account_data_sequence", x, "stream_id") for x in ("account_data", "room_account_data")),
                ("account_data_sequence", "room_tags_revisions", "stream_id"),
                *(("device_lists_sequence", table, "stream_id") for table in _DEVICE_LISTS),
                *(("device_inbox_sequence", x, "stream_id") for x in ("device_inbox", "device_federation_outbox")),
                ("pushers_sequence", "pushers", "id"),
                ("pushers_sequence", "deleted_pushers", "stream_id"),
                ("receipts_sequence", "receipts_linearized", "stream_id"),
                ("presence_stream_sequence", "presence_stream", "stream_id"),
                ("push_rules_stream_sequence", "push_rules_stream", "stream_id"),
                ("cache_invalidation_stream_seq", "cache_invalidation_stream_by_instance", "stream_id"),
                ("e2e_cross_signing_keys_sequence", "e2e_cross_signing_keys", "stream_id"),
                ("un_partial_stated_event_stream_sequence", "un_partial_stated_event_stream", "stream_id"),
                ("un_partial_stated_room_stream_sequence", "un_partial_stated_room_stream", "stream_id"),
                ("quarantined_media_id_seq", "quarantined_media_changes", "stream_id"),
                ("sticky_events_sequence", "sticky_events", "stream_id"),
                ("thread_subscriptions_sequence", "thread_subscriptions", "stream_id"),
                ("state_group_id_seq", "state_groups", "id"),
                ("event_auth_chain_id", "event_auth_chains", "chain_id"),
                ("application_services_txn_id_seq", "application_services_txns", "txn_id"),
            ),
        ),
    ),
    Application(
        "DSpace 7 to 11",
        3,
        (
            *_plain(
                ("metadatavalue_seq", "metadatavalue", "metadata_value_id"),
                ("metadatafieldregistry_seq", "metadatafieldregistry", "metadata_field_id"),
                ("metadataschemaregistry_seq", "metadataschemaregistry", "metadata_schema_id"),
                ("bitstreamformatregistry_seq", "bitstreamformatregistry", "bitstream_format_id"),
                ("fileextension_seq", "fileextension", "file_extension_id"),
                ("resourcepolicy_seq", "resourcepolicy", "policy_id"),
                ("workspaceitem_seq", "workspaceitem", "workspace_item_id"),
                ("registrationdata_seq", "registrationdata", "registrationdata_id"),
                ("subscription_seq", "subscription", "subscription_id"),
                ("subscription_parameter_seq", "subscription_parameter", "subscription_parameter_id"),
                ("handle_id_seq", "handle", "handle_id"),
                ("doi_seq", "doi", "doi_id"),
                ("alert_id_seq", "systemwidealert", "alert_id"),
                ("cwf_workflowitem_seq", "cwf_workflowitem", "workflowitem_id"),
                ("cwf_collectionrole_seq", "cwf_collectionrole", "collectionrole_id"),
                ("cwf_workflowitemrole_seq", "cwf_workflowitemrole", "workflowitemrole_id"),
                ("cwf_pooltask_seq", "cwf_pooltask", "pooltask_id"),
                ("cwf_claimtask_seq", "cwf_claimtask", "claimtask_id"),
                ("cwf_in_progress_user_seq", "cwf_in_progress_user", "in_progress_user_id"),
                *((f"{name}_id_seq", name, "id") for name in _DSPACE_BY_ID),
                *(
                    (f"{name}_seq", name, "id")
                    for name in ("harvested_collection", "harvested_item", "supervision_orders")
                ),
                ("openurltracker_seq", "openurltracker", "tracker_id"),
                ("process_id_seq", "process", "process_id"),
                ("requestitem_seq", "requestitem", "requestitem_id"),
                ("versionhistory_seq", "versionhistory", "versionhistory_id"),
                ("versionitem_seq", "versionitem", "versionitem_id"),
                ("webapp_seq", "webapp", "webapp_id"),
            ),
            ("handle_seq", "handle", "handle", _BEHIND_THE_SLASH),
        ),
    ),
    Application("Alfresco 26", 3, _alfresco()),
    Application(
        "Spring Batch 2 to 6",
        3,
        _plain(
            ("batch_job_seq", "batch_job_instance", "job_instance_id"),
            ("batch_job_instance_seq", "batch_job_instance", "job_instance_id"),
            ("batch_job_execution_seq", "batch_job_execution", "job_execution_id"),
            ("batch_step_execution_seq", "batch_step_execution", "step_execution_id"),
        ),
    ),
    Application(
        "Celery 2 to 5",
        2,
        _plain(("task_id_sequence", "celery_taskmeta", "id"), ("taskset_id_sequence", "celery_tasksetmeta", "id")),
    ),
)

TABLES = tuple(sorted({feed[1] for application in APPLICATIONS for feed in application.feeds}))
"""Tables by which applications are recognised, in lower case."""

COUNTERS = {
    "act_ge_property": "Flowable, Activiti, Camunda",
    "sequence_value_item": "OFBiz, Jira",
    "hibernate_unique_key": "Hibernate's table generator: Confluence, Bamboo, Crowd",
    "hibernate_sequences": "Hibernate's table generator",
    "openjpa_sequence_table": "OpenJPA's table generator",
    "counter": "Liferay",
    "sequence": "EclipseLink's table generator",
    "ir_sequence": "Odoo, where a sequence is without gaps",
}
"""Tables that count instead of a sequence: not covered by an audit of sequences."""


def known_mappings(orphans: List[Orphan], facts: Facts) -> dict[int, Guess]:
    """What the sequences of applications feed whose tables are there.

    :returns: by the sequences' oids; a table's schema has to be the sequence's
    """
    columns: dict[tuple[str, str], dict[str, Key]] = {}
    for key in facts.columns:
        columns.setdefault((key.schema, key.table), {})[key.column] = key
    by_schema = {schema: _of_schema(schema, columns) for schema in {orphan.schema for orphan in orphans}}
    return {
        orphan.oid: by_schema[orphan.schema][orphan.name]
        for orphan in orphans
        if orphan.name in by_schema[orphan.schema]
    }


def _of_schema(schema: str, columns: Map[tuple[str, str], Map[str, Key]]) -> dict[str, Guess]:
    """What the sequences of applications in a schema feed, by the sequences' names."""
    found: dict[str, Guess] = {}
    for application in APPLICATIONS:
        there = {table for _sequence, table, _column, _mapping in application.feeds if (schema, table) in columns}
        if len(there) < application.least:
            continue
        pairs: dict[str, list[tuple[Key, Mapping]]] = {}
        for sequence, table, column, mapping in application.feeds:
            key = columns.get((schema, table), {}).get(column)
            if key:
                pairs.setdefault(sequence, []).append((key, _named(mapping, column)))
        for sequence, several in pairs.items():
            keys, mappings = zip(*several)
            found[sequence] = Guess(f"{KNOWN}: {application.name}", keys, (), mappings)
    return found


def _named(mapping: Mapping, column: str) -> Mapping:
    """A mapping's SQL with the column's name in it."""
    where, expression = (text and text.format(column) for text in (mapping.where, mapping.expression))
    return mapping._replace(where=where, expression=expression)
