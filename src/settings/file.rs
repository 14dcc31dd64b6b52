//! The file of settings: TOML, its tables flattened to dotted names.

use super::{KEYS, MAX_FILE_BYTES, SettingFault, Source, unknown};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// # Errors
/// A reason for people.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|e| format!("cannot be read: {e}"))?.len();
    if size > MAX_FILE_BYTES {
        return Err(format!("is longer than {MAX_FILE_BYTES} bytes"));
    }
    std::fs::read_to_string(path).map_err(|e| format!("cannot be read: {e}"))
}

/// The file's values by dotted name; unknown names and broken syntax become faults.
pub(super) fn flatten(
    file: Option<&(PathBuf, String)>,
    faults: &mut Vec<SettingFault>,
) -> BTreeMap<String, toml::Value> {
    let mut values = BTreeMap::new();
    let Some((path, text)) = file else { return values };
    let source = Source::File(path.clone());
    match text.parse::<toml::Table>() {
        Ok(table) => walk("", table, &mut values),
        Err(error) => {
            let reason = format!("is no TOML: {}", error.message());
            faults.push(SettingFault { name: path.display().to_string(), source, reason });
            return values;
        }
    }
    for name in values.keys().filter(|name| KEYS.iter().all(|k| k.name != name.as_str())) {
        faults.push(unknown(name, source.clone()));
    }
    values
}

fn walk(prefix: &str, table: toml::Table, values: &mut BTreeMap<String, toml::Value>) {
    for (name, value) in table {
        let name = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        if let toml::Value::Table(inner) = value {
            walk(&name, inner, values);
        } else {
            values.insert(name, value);
        }
    }
}
