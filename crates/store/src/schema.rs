//! The tables, as the migrations make them.

#![allow(missing_docs, unreachable_pub)]

diesel::table! {
    organization (id) {
        id -> Text,
        key -> Text,
        label -> Text,
        state -> Text,
        body -> Text,
        revision -> BigInt,
        created -> Timestamp,
        updated -> Timestamp,
    }
}

diesel::table! {
    theme (id) {
        id -> Text,
        key -> Text,
        label -> Text,
        state -> Text,
        body -> Text,
        revision -> BigInt,
        created -> Timestamp,
        updated -> Timestamp,
    }
}

diesel::table! {
    licence (id) {
        id -> Text,
        key -> Text,
        label -> Text,
        state -> Text,
        body -> Text,
        revision -> BigInt,
        created -> Timestamp,
        updated -> Timestamp,
    }
}

diesel::table! {
    keyword (id) {
        id -> Text,
        key -> Text,
        label -> Text,
        state -> Text,
        body -> Text,
        revision -> BigInt,
        created -> Timestamp,
        updated -> Timestamp,
    }
}

diesel::table! {
    user_account (id) {
        id -> Text,
        key -> Text,
        label -> Text,
        state -> Text,
        body -> Text,
        revision -> BigInt,
        created -> Timestamp,
        updated -> Timestamp,
    }
}

diesel::table! {
    harvest_source (id) {
        id -> Text,
        key -> Text,
        label -> Text,
        state -> Text,
        body -> Text,
        revision -> BigInt,
        created -> Timestamp,
        updated -> Timestamp,
    }
}

diesel::table! {
    membership (id) {
        id -> Text,
        key -> Text,
        label -> Text,
        state -> Text,
        body -> Text,
        revision -> BigInt,
        created -> Timestamp,
        updated -> Timestamp,
    }
}

diesel::table! {
    api_token (id) {
        id -> Text,
        key -> Text,
        label -> Text,
        state -> Text,
        body -> Text,
        revision -> BigInt,
        created -> Timestamp,
        updated -> Timestamp,
    }
}

diesel::table! {
    synonym_list (id) {
        id -> Text,
        key -> Text,
        label -> Text,
        state -> Text,
        body -> Text,
        revision -> BigInt,
        created -> Timestamp,
        updated -> Timestamp,
    }
}

diesel::table! {
    dataset (id) {
        id -> Text,
        slug -> Text,
        organization_id -> Text,
        identifier -> Nullable<Text>,
        state -> Text,
        visibility -> Text,
        title -> Text,
        standard_dataset -> Nullable<Text>,
        body -> Text,
        revision -> BigInt,
        created -> Timestamp,
        updated -> Timestamp,
    }
}

diesel::table! {
    dataset_alias (alias) {
        alias -> Text,
        dataset_id -> Text,
    }
}

diesel::table! {
    resource_alias (alias) {
        alias -> Text,
        distribution_id -> Text,
    }
}

diesel::table! {
    reported_download (month, source, resource) {
        month -> Text,
        source -> Text,
        resource -> Text,
        title -> Text,
        dataset_id -> Nullable<Text>,
        distribution_id -> Nullable<Text>,
        total -> BigInt,
    }
}

diesel::table! {
    dataset_keyword (dataset_id, keyword) {
        dataset_id -> Text,
        keyword -> Text,
    }
}

diesel::table! {
    dataset_theme (dataset_id, theme) {
        dataset_id -> Text,
        theme -> Text,
    }
}

diesel::table! {
    distribution (id) {
        id -> Text,
        dataset_id -> Text,
        active -> Bool,
    }
}

diesel::table! {
    file_version (distribution_id, version) {
        distribution_id -> Text,
        version -> BigInt,
        sha256 -> Text,
        byte_size -> BigInt,
        file_name -> Text,
        media_type -> Text,
        created -> Timestamp,
        source_url -> Nullable<Text>,
    }
}

diesel::table! {
    revision (noun, subject_id, number) {
        noun -> Text,
        subject_id -> Text,
        number -> BigInt,
        action -> Text,
        actor -> Text,
        at -> Timestamp,
        content -> Text,
    }
}

diesel::table! {
    change (seq) {
        seq -> BigInt,
        noun -> Text,
        subject_id -> Text,
        action -> Text,
        revision -> BigInt,
        at -> Timestamp,
    }
}

diesel::table! {
    audit_event (id) {
        id -> Text,
        at -> Timestamp,
        actor -> Text,
        noun -> Text,
        subject_id -> Text,
        action -> Text,
        revision -> BigInt,
    }
}

diesel::table! {
    setting (key) {
        key -> Text,
        value -> Text,
    }
}

diesel::table! {
    idempotency (actor, key) {
        actor -> Text,
        key -> Text,
        request_hash -> Text,
        status -> BigInt,
        headers -> Text,
        body -> Text,
        created -> Timestamp,
    }
}

diesel::table! {
    job (id) {
        id -> Text,
        kind -> Text,
        subject_id -> Text,
        state -> Text,
        attempts -> BigInt,
        lease_owner -> Nullable<Text>,
        lease_until -> Nullable<Timestamp>,
        progress -> Text,
        error -> Nullable<Text>,
        created -> Timestamp,
        started -> Nullable<Timestamp>,
        finished -> Nullable<Timestamp>,
        cancel_requested -> Bool,
    }
}

diesel::table! {
    harvest_record (source_id, remote_id) {
        source_id -> Text,
        remote_id -> Text,
        alternate_id -> Nullable<Text>,
        dataset_id -> Nullable<Text>,
        content_hash -> Text,
        raw -> Text,
        last_run_id -> Text,
        missing_runs -> BigInt,
        missing_since -> Nullable<Timestamp>,
        archived -> Bool,
        updated -> Timestamp,
        draft -> Nullable<Text>,
        fingerprint -> Nullable<Text>,
    }
}

diesel::table! {
    harvest_decision (id) {
        id -> Text,
        kind -> Text,
        source_id -> Text,
        subject -> Text,
        dataset_id -> Nullable<Text>,
        other_id -> Nullable<Text>,
        state -> Text,
        body -> Text,
        created -> Timestamp,
        decided -> Nullable<Timestamp>,
        decided_by -> Nullable<Text>,
    }
}

diesel::table! {
    harvest_overlay (dataset_id, path) {
        dataset_id -> Text,
        path -> Text,
        value -> Text,
        base -> Text,
        actor -> Text,
        at -> Timestamp,
    }
}

diesel::table! {
    link_check (distribution_id, at) {
        distribution_id -> Text,
        at -> Timestamp,
        until -> Timestamp,
        dataset_id -> Text,
        url -> Text,
        ok -> Bool,
        body -> Text,
    }
}

diesel::table! {
    dataset_key (dataset_id, kind, value) {
        dataset_id -> Text,
        kind -> Text,
        value -> Text,
    }
}

diesel::table! {
    harvest_outcome (run_id, remote_id) {
        run_id -> Text,
        remote_id -> Text,
        outcome -> Text,
        cause -> Nullable<Text>,
        dataset_id -> Nullable<Text>,
        raw -> Nullable<Text>,
    }
}

diesel::table! {
    download (id) {
        id -> Text,
        at -> Timestamp,
        day -> Text,
        distribution_id -> Text,
        dataset_id -> Text,
        organization_id -> Text,
        class -> Text,
        channel -> Text,
        visitor -> Text,
        click -> Text,
        method_version -> BigInt,
        first_at -> Timestamp,
        clicks -> BigInt,
        click_before -> Nullable<Text>,
        referrer -> Text,
        format -> Text,
        agent_rule -> Text,
    }
}

diesel::table! {
    download_day (day, distribution_id, organization_id, class, channel) {
        day -> Text,
        distribution_id -> Text,
        dataset_id -> Text,
        organization_id -> Text,
        class -> Text,
        channel -> Text,
        total -> BigInt,
        unique_files -> BigInt,
        unique_datasets -> BigInt,
        format -> Text,
    }
}

diesel::table! {
    download_period (period, organization_id, class, channel) {
        period -> Text,
        organization_id -> Text,
        class -> Text,
        channel -> Text,
        total -> BigInt,
        unique_files -> BigInt,
        unique_datasets -> BigInt,
    }
}

diesel::table! {
    download_dataset (period, dataset_id, organization_id, class, channel) {
        period -> Text,
        dataset_id -> Text,
        organization_id -> Text,
        class -> Text,
        channel -> Text,
        total -> BigInt,
        unique_files -> BigInt,
        unique_datasets -> BigInt,
    }
}

diesel::table! {
    download_format (period, format) {
        period -> Text,
        format -> Text,
        total -> BigInt,
        unique_files -> BigInt,
        unique_datasets -> BigInt,
    }
}

diesel::table! {
    download_file (distribution_id, dataset_id) {
        distribution_id -> Text,
        dataset_id -> Text,
        total -> BigInt,
        unique_files -> BigInt,
    }
}

diesel::table! {
    download_referrer (month, referrer) {
        month -> Text,
        referrer -> Text,
        total -> BigInt,
    }
}

diesel::table! {
    investigation_day (day, dataset_id, organization_id, class, channel) {
        day -> Text,
        dataset_id -> Text,
        organization_id -> Text,
        class -> Text,
        channel -> Text,
        total -> BigInt,
        unique_datasets -> BigInt,
    }
}

diesel::table! {
    excluded_day (day, kind, reason) {
        day -> Text,
        kind -> Text,
        reason -> Text,
        total -> BigInt,
    }
}

diesel::table! {
    counting_method (version) {
        version -> BigInt,
        first_day -> Text,
        fingerprint -> Text,
    }
}

diesel::table! {
    report_source (id) {
        id -> Text,
        kind -> Text,
        title -> Text,
        title_en -> Text,
    }
}

diesel::table! {
    report_figure (month, source, organization_id) {
        month -> Text,
        source -> Text,
        organization_id -> Text,
        total -> BigInt,
        note -> Text,
        actor -> Text,
        at -> Timestamp,
    }
}

diesel::table! {
    report_log (id) {
        id -> Text,
        month -> Text,
        source -> Text,
        organization_id -> Text,
        before -> Nullable<BigInt>,
        after -> BigInt,
        way -> Text,
        actor -> Text,
        at -> Timestamp,
    }
}

diesel::table! {
    indicator (id) {
        id -> Text,
        position -> BigInt,
        body -> Text,
    }
}

diesel::table! {
    dataset_scope (id) {
        id -> Text,
        body -> Text,
    }
}

diesel::table! {
    indicator_value (indicator, month) {
        indicator -> Text,
        month -> Text,
        value -> Double,
        note -> Text,
        actor -> Text,
        at -> Timestamp,
    }
}

diesel::table! {
    month_close (month) {
        month -> Text,
        figures -> Text,
        method_version -> BigInt,
        actor -> Text,
        at -> Timestamp,
    }
}

diesel::table! {
    restatement (id) {
        id -> Text,
        month -> Text,
        reason -> Text,
        before -> Text,
        after -> Text,
        actor -> Text,
        at -> Timestamp,
    }
}

diesel::table! {
    mail_subscription (organization_id) {
        organization_id -> Text,
        address -> Text,
        actor -> Text,
        at -> Timestamp,
    }
}

diesel::table! {
    mail_sent (organization_id, month) {
        organization_id -> Text,
        month -> Text,
        state -> Text,
        at -> Timestamp,
    }
}

diesel::table! {
    search_month (month, query) {
        month -> Text,
        query -> Text,
        searches -> BigInt,
        hits -> Nullable<BigInt>,
    }
}

diesel::table! {
    search_click (month, query, dataset_id) {
        month -> Text,
        query -> Text,
        dataset_id -> Text,
        clicks -> BigInt,
    }
}

diesel::table! {
    indicator_target (indicator, fiscal_year) {
        indicator -> Text,
        fiscal_year -> BigInt,
        baseline -> Nullable<BigInt>,
        target -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    dataset,
    dataset_keyword,
    dataset_theme,
    dataset_alias,
    organization,
    distribution,
    file_version,
    dataset_key,
    link_check,
    harvest_record,
    harvest_overlay,
    harvest_decision,
    download_day,
    membership,
    user_account
);
