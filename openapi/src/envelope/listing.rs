//! What an `index` may be asked: `page`, `sort`, `search`, `filters`. Names are
//! looked up in the projections' tables of fields, and unknown ones refused.

use super::params::Params;
use crate::wire::values::{Read, boolean, day, integer, name, short, string, uuid};
use domain::Timestamp;
use poem_openapi::Object;
use projections::limits::MAX_FILTER_VALUES;
use projections::{Field, FieldKind, ListQuery, Page};
use serde_json::{Value, json};

const DEFAULT_SIZE: u64 = 25;
/// Rows of one page at most.
const MAX_SIZE: i64 = 100;
/// Pages are numbered up to here; no list is longer.
const MAX_NUMBER: i64 = 1_000_000_000;

/// Reads the four parameters.
pub(super) fn read(params: &mut Params, fields: &'static [Field]) -> ListQuery {
    let (number, size) = inside(params, "page", page).unwrap_or((1, DEFAULT_SIZE));
    let sort = inside(params, "sort", |inner| sort(inner, fields)).flatten();
    let search = inside(params, "search", |inner| search(inner, fields)).flatten();
    let filters = inside(params, "filters", |inner| filters(inner, fields)).unwrap_or_default();
    ListQuery { number, size, sort, search, filters }
}

fn inside<T>(params: &mut Params, name: &str, read: impl FnOnce(&mut Params) -> T) -> Option<T> {
    match params.take(name) {
        None | Some(Value::Null) => None,
        Some(value) => params.within(name, value, read),
    }
}

fn page(inner: &mut Params) -> (u64, u64) {
    let number = inner.optional("number", |value| bounded(value, MAX_NUMBER)).unwrap_or(1);
    let size = inner.optional("size", |value| bounded(value, MAX_SIZE)).unwrap_or(DEFAULT_SIZE);
    (number, size)
}

fn bounded(value: &Value, most: i64) -> Read<u64> {
    let number = integer(value)?;
    let within = u64::try_from(number).ok().filter(|_| (1..=most).contains(&number));
    within.ok_or_else(|| format!("must be 1 to {most}"))
}

fn sort(inner: &mut Params, fields: &'static [Field]) -> Option<(String, bool)> {
    let by = inner.required("by", |value| field(value, fields, |f| f.sortable));
    let descending = inner.optional("order", order).unwrap_or(false);
    by.map(|by| (by, descending))
}

fn order(value: &Value) -> Read<bool> {
    match value.as_str() {
        Some("asc") => Ok(false),
        Some("desc") => Ok(true),
        Some(_) | None => Err("must be asc or desc".to_owned()),
    }
}

fn search(inner: &mut Params, fields: &'static [Field]) -> Option<(String, Vec<String>)> {
    let term = inner.required("term", name);
    let attributes = match inner.take("attributes") {
        None | Some(Value::Null) => Some(vec![]),
        Some(value) => inner.items("attributes", &value, fields.len(), |item| field(item, fields, |f| f.searchable)),
    };
    Some((term?, attributes?))
}

fn field(value: &Value, fields: &'static [Field], may: impl Fn(&Field) -> bool) -> Read<String> {
    let asked = string(value)?;
    let known = fields.iter().any(|f| f.name == asked && may(f));
    if known { Ok(asked) } else { Err("is not a known attribute for this".to_owned()) }
}

fn filters(inner: &mut Params, fields: &'static [Field]) -> Vec<(String, Value)> {
    let mut read = vec![];
    for field in fields.iter().filter(|f| f.filterable) {
        let filter = match inner.take(field.name) {
            None => continue,
            Some(value @ Value::Array(_)) => {
                let several = inner.items(field.name, &value, MAX_FILTER_VALUES, |item| filter(field.kind, item));
                several.map(Value::Array)
            }
            Some(value) => inner.keep(field.name, filter(field.kind, &value)),
        };
        read.extend(filter.map(|value| (field.name.to_owned(), value)));
    }
    read
}

/// A value a field can be compared with; null is "has none".
fn filter(kind: FieldKind, value: &Value) -> Read<Value> {
    if value.is_null() {
        return Ok(Value::Null);
    }
    match kind {
        FieldKind::Integer => integer(value).map(Value::from),
        FieldKind::Boolean => boolean(value).map(Value::from),
        FieldKind::Text => short(value).map(Value::from),
        FieldKind::Date => day(value).map(Value::from),
        FieldKind::Uuid => uuid(value).map(|id| id.to_string().into()),
        FieldKind::Time => {
            let time = Timestamp::parse(&string(value)?);
            time.map(|t| t.rfc3339().into()).ok_or_else(|| "must be a time, RFC 3339".to_owned())
        }
    }
}

/// The member `meta` of an index.
pub(super) fn meta<T>(page: &Page<T>) -> Value {
    json!({"page": {
        "number": page.number,
        "size": page.size,
        "total_count": page.total,
        "total_pages": page.total_pages(),
    }})
}

/// Which part of the list is wanted.
#[derive(Object)]
#[oai(deny_unknown_fields)]
pub(super) struct PageParams {
    /// From 1.
    #[oai(validator(minimum(value = "1"), maximum(value = "1000000000")))]
    number: Option<i64>,
    /// Entries of a page.
    #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
    size: Option<i64>,
}

/// The order of the list.
#[derive(Object)]
#[oai(deny_unknown_fields)]
pub(super) struct SortParams {
    /// Name of an attribute.
    by: String,
    /// `asc` or `desc`.
    order: Option<String>,
}

/// Entries that hold the term in one of the attributes.
#[derive(Object)]
#[oai(deny_unknown_fields)]
pub(super) struct SearchParams {
    /// Looked for without regard to case.
    #[oai(validator(min_length = 1, max_length = 200))]
    term: String,
    /// Names of attributes; all that can be searched where absent.
    attributes: Option<Vec<String>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use projections::{EMPLOYEE_FIELDS, NOTIFICATION_FIELDS};

    fn asked(value: Value) -> (ListQuery, Vec<(String, String)>) {
        let Value::Object(members) = value else { panic!("an object") };
        let mut params = Params::new(members);
        let query = read(&mut params, EMPLOYEE_FIELDS);
        (query, params.finish().into_iter().map(|f| (f.param, f.reason)).collect())
    }

    #[test]
    fn nothing_asked_is_the_first_page() {
        let (query, faults) = asked(json!({"page": null, "filters": {}}));
        assert_eq!(faults, vec![]);
        assert_eq!((query.number, query.size), (1, 25));
        assert_eq!((query.sort, query.search, query.filters), (None, None, vec![]));
    }

    #[test]
    fn all_that_can_be_asked_is_read() {
        let (query, faults) = asked(json!({
            "page": {"number": 3, "size": 100},
            "sort": {"by": "last_name", "order": "desc"},
            "search": {"term": "jane", "attributes": ["first_name", "email"]},
            "filters": {
                "active": true,
                "service_area_id": [4, 5, null],
                "date_hired": "2021-11-23T10:00:00Z",
                "user_id": "8646B67B-9A28-4DE7-BD0E-27ADACC99E45",
            },
        }));
        assert_eq!(faults, vec![]);
        assert_eq!((query.number, query.size), (3, 100));
        assert_eq!(query.sort, Some(("last_name".to_owned(), true)));
        assert_eq!(query.search, Some(("jane".to_owned(), vec!["first_name".to_owned(), "email".to_owned()])));
        assert_eq!(
            query.filters,
            vec![
                ("user_id".to_owned(), json!("8646b67b-9a28-4de7-bd0e-27adacc99e45")),
                ("active".to_owned(), json!(true)),
                ("service_area_id".to_owned(), json!([4, 5, null])),
                ("date_hired".to_owned(), json!("2021-11-23")),
            ]
        );
    }

    #[test]
    fn unknown_names_and_values_are_told_all_at_once() {
        let (_, faults) = asked(json!({
            "page": {"number": 0, "size": 101, "cursor": "x"},
            "sort": {"by": "skills", "order": "up"},
            "search": {"term": " ", "attributes": ["salary"]},
            "filters": {"active": "yes", "salary": 1, "email": [1]},
            "limit": 5,
        }));
        let expected = [
            ("page.number", "must be 1 to 1000000000"),
            ("page.size", "must be 1 to 100"),
            ("page.cursor", "is not a parameter here"),
            ("sort.by", "is not a known attribute for this"),
            ("sort.order", "must be asc or desc"),
            ("search.term", "is blank"),
            ("search.attributes[0]", "is not a known attribute for this"),
            ("filters.email[0]", "must be a string"),
            ("filters.active", "must be true or false"),
            ("filters.salary", "is not a parameter here"),
            ("limit", "is not a parameter here"),
        ];
        assert_eq!(faults, expected.map(|(p, r)| (p.to_owned(), r.to_owned())).to_vec());
        let (_, faults) = asked(json!({"sort": {}, "search": {}, "page": []}));
        let expected = [("page", "must be an object"), ("sort.by", "is missing"), ("search.term", "is missing")];
        assert_eq!(faults, expected.map(|(p, r)| (p.to_owned(), r.to_owned())).to_vec());
    }

    #[test]
    fn meta_counts_pages() {
        let page = Page::<u8> { rows: vec![], number: 2, size: 25, total: 51 };
        assert_eq!(meta(&page), json!({"page": {"number": 2, "size": 25, "total_count": 51, "total_pages": 3}}));
        assert!(NOTIFICATION_FIELDS.iter().any(|f| f.name == "invitation_id" && f.filterable));
    }
}
