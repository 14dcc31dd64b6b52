//! Settings as this dialect writes them: switches have names, not `true` and `false`.

use super::door;
use super::fault::{Detail, Fault};
use crate::wire::{Member, Members};
use domain::tenant::{Settings, SettingsPatch};
use serde_json::{Value, json};

const ENABLED: &str = "com.soa.feature.enabled";
const DISABLED: &str = "com.soa.feature.disabled";
const READ_CSRF: &str = "ReadRequestCSRFSupport";
const WRITE_CSRF: &str = "WriteRequestCSRFSupport";
const INVITE: &str = "InviteUnregisteredUsers";
const VALID_DAYS: &str = "InvitedUserValidDays";

fn switch(on: bool) -> &'static str {
    if on { ENABLED } else { DISABLED }
}

pub fn security(settings: Settings) -> Value {
    json!({
        READ_CSRF: switch(settings.read_csrf),
        WRITE_CSRF: switch(settings.write_csrf),
        INVITE: switch(settings.invite_unregistered),
    })
}

pub fn user(settings: Settings) -> Value {
    json!({INVITE: switch(settings.invite_unregistered), VALID_DAYS: settings.valid_days})
}

/// A part of the security settings. Inviting is only shown among them.
pub fn security_patch(body: &Value) -> Result<SettingsPatch, Fault> {
    patch(body, |members, faults| {
        if members.take(INVITE) != Member::Absent {
            faults.push(Detail::new(INVITE, "is set through usersettings"));
        }
        SettingsPatch {
            read_csrf: flag(READ_CSRF, members, faults),
            write_csrf: flag(WRITE_CSRF, members, faults),
            ..SettingsPatch::default()
        }
    })
}

/// A part of the user settings.
pub fn user_patch(body: &Value) -> Result<SettingsPatch, Fault> {
    patch(body, |members, faults| SettingsPatch {
        invite_unregistered: flag(INVITE, members, faults),
        valid_days: days(members, faults),
        ..SettingsPatch::default()
    })
}

fn patch(
    body: &Value,
    read: impl FnOnce(&mut Members<'_>, &mut Vec<Detail>) -> SettingsPatch,
) -> Result<SettingsPatch, Fault> {
    let mut members = door::members(body)?;
    let mut faults = vec![];
    let patch = read(&mut members, &mut faults);
    faults.extend(members.unknown().into_iter().map(|name| Detail::new(name, "is not known")));
    if faults.is_empty() { Ok(patch) } else { Err(Fault::Parameters(faults)) }
}

fn flag(name: &'static str, members: &mut Members<'_>, faults: &mut Vec<Detail>) -> Option<bool> {
    match members.take(name) {
        Member::Absent => None,
        Member::Present(Value::String(text)) if text == ENABLED => Some(true),
        Member::Present(Value::String(text)) if text == DISABLED => Some(false),
        Member::Null | Member::Present(_) => {
            faults.push(Detail::new(name, format!("must be {ENABLED} or {DISABLED}")));
            None
        }
    }
}

fn days(members: &mut Members<'_>, faults: &mut Vec<Detail>) -> Option<u32> {
    let allowed = 1..=domain::tenant::MAX_VALID_DAYS;
    match members.take(VALID_DAYS) {
        Member::Absent => None,
        Member::Present(value) if value.as_u64().is_some_and(|n| n <= u64::from(*allowed.end()) && n >= 1) => {
            value.as_u64().and_then(|n| u32::try_from(n).ok())
        }
        Member::Null | Member::Present(_) => {
            faults.push(Detail::new(VALID_DAYS, format!("must be a whole number from 1 to {}", allowed.end())));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(patch: Result<SettingsPatch, Fault>) -> Vec<String> {
        match patch {
            Err(Fault::Parameters(details)) => details.into_iter().map(|d| d.param).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_defaults_as_the_contract_writes_them() {
        let defaults = Settings::default();
        assert_eq!(
            security(defaults),
            json!({
                "ReadRequestCSRFSupport": "com.soa.feature.disabled",
                "WriteRequestCSRFSupport": "com.soa.feature.enabled",
                "InviteUnregisteredUsers": "com.soa.feature.enabled",
            })
        );
        assert_eq!(
            user(defaults),
            json!({"InviteUnregisteredUsers": "com.soa.feature.enabled", "InvitedUserValidDays": 7})
        );
    }

    #[test]
    fn a_part_changes_that_part_alone() {
        let patch = user_patch(&json!({"InviteUnregisteredUsers": "com.soa.feature.disabled"})).unwrap();
        assert_eq!(patch, SettingsPatch { invite_unregistered: Some(false), ..SettingsPatch::default() });
        let patch = user_patch(&json!({"InvitedUserValidDays": 365})).unwrap();
        assert_eq!(patch, SettingsPatch { valid_days: Some(365), ..SettingsPatch::default() });
        let patch = security_patch(&json!({"ReadRequestCSRFSupport": "com.soa.feature.enabled"})).unwrap();
        assert_eq!(patch, SettingsPatch { read_csrf: Some(true), ..SettingsPatch::default() });
        assert_eq!(user_patch(&json!({})).unwrap(), SettingsPatch::default());
    }

    #[test]
    fn inviting_is_shown_among_the_security_settings_and_set_among_the_others() {
        let body = json!({"InviteUnregisteredUsers": "com.soa.feature.disabled"});
        assert_eq!(named(security_patch(&body)), ["InviteUnregisteredUsers"]);
        assert!(user_patch(&body).is_ok());
    }

    #[test]
    fn wrong_values_and_unknown_names_are_told_at_once() {
        let body = json!({"InviteUnregisteredUsers": true, "InvitedUserValidDays": 0, "Other": 1});
        assert_eq!(named(user_patch(&body)), ["InviteUnregisteredUsers", "InvitedUserValidDays", "Other"]);
        for wrong in [json!(366), json!(1.0), json!("7"), json!(null), json!(-1)] {
            assert_eq!(named(user_patch(&json!({"InvitedUserValidDays": wrong}))), ["InvitedUserValidDays"]);
        }
        assert!(matches!(user_patch(&json!([])), Err(Fault::NotAnObject)));
    }
}
