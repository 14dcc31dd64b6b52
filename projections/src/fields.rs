//! The tables of fields that lists may be sorted, searched and filtered by.
//!
//! A caller's word is only ever looked up here; what reaches SQL is the
//! column's own name from this table, and every value is bound.

/// What a field's values are, for filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    Integer,
    Boolean,
    /// Compared without regard to case.
    Text,
    /// `YYYY-MM-DD`.
    Date,
    Uuid,
    /// RFC 3339.
    Time,
}

/// One field of a listed resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: &'static str,
    pub sortable: bool,
    pub searchable: bool,
    pub filterable: bool,
    pub kind: FieldKind,
    /// The column behind it: lower case where the kind is text.
    pub(crate) column: &'static str,
}

const SORT: u8 = 1;
const SEARCH: u8 = 2;
const FILTER: u8 = 4;

const fn field(name: &'static str, column: &'static str, kind: FieldKind, uses: u8) -> Field {
    Field {
        name,
        sortable: uses & SORT != 0,
        searchable: uses & SEARCH != 0,
        filterable: uses & FILTER != 0,
        kind,
        column,
    }
}

/// Fields of `employees/index`.
pub const EMPLOYEE_FIELDS: &[Field] = &[
    field("id", "number", FieldKind::Integer, SORT | FILTER),
    field("user_id", "user", FieldKind::Uuid, FILTER),
    field("email", "email", FieldKind::Text, SORT | SEARCH | FILTER),
    field("active", "active", FieldKind::Boolean, SORT | FILTER),
    field("service_area_id", "service_area_id", FieldKind::Integer, SORT | FILTER),
    field("first_name", "first_name", FieldKind::Text, SORT | SEARCH | FILTER),
    field("last_name", "last_name", FieldKind::Text, SORT | SEARCH | FILTER),
    field("legal_name", "legal_name", FieldKind::Text, SORT | SEARCH | FILTER),
    field("skills", "skills", FieldKind::Text, SEARCH),
    field("phone", "phone", FieldKind::Text, SORT | SEARCH | FILTER),
    field("address", "address", FieldKind::Text, SEARCH),
    field("date_hired", "date_hired", FieldKind::Date, SORT | FILTER),
    field("date_off_boarded", "date_off_boarded", FieldKind::Date, SORT | FILTER),
    field("created_at", "created_at", FieldKind::Time, SORT),
    field("updated_at", "updated_at", FieldKind::Time, SORT),
    field("version", "version", FieldKind::Integer, SORT | FILTER),
];

/// Fields of `integrations/index`.
pub const INTEGRATION_FIELDS: &[Field] = &[
    field("id", "number", FieldKind::Integer, SORT | FILTER),
    field("name", "name_lower", FieldKind::Text, SORT | SEARCH | FILTER),
    field("description", "description_lower", FieldKind::Text, SORT | SEARCH | FILTER),
    field("created_at", "created_at", FieldKind::Time, SORT),
];

/// Fields of `notifications/index`.
pub const NOTIFICATION_FIELDS: &[Field] = &[
    field("id", "position", FieldKind::Integer, SORT | FILTER),
    field("kind", "kind", FieldKind::Text, SORT | SEARCH | FILTER),
    field("invitation_id", "invitation", FieldKind::Uuid, FILTER),
    field("reason", "reason", FieldKind::Text, SORT | SEARCH | FILTER),
    field("created_at", "created_at", FieldKind::Time, SORT),
];
