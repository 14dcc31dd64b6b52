//! Lists that can be sorted, searched and filtered by named fields.
//!
//! Every name is looked up in a table of fields and only the table's own words
//! become SQL; every value is bound. The default order, and what counts the
//! same, goes through ranks; the rest is SQLite's own filtering and sorting.

use super::QueryError;
use super::rows::one;
use crate::columns::signed;
use crate::fields::{Field, FieldKind};
use crate::limits::MAX_FILTER_VALUES;
use crate::page::{Cut, ListQuery};
use domain::{Refusal, Timestamp};
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params_from_iter};
use serde_json::Value;
use uuid::Uuid;

/// A query in the table's own words.
pub(super) struct Plan {
    /// A column and whether it descends. `None`: the default order, or what comes to the same.
    pub sort: Option<(&'static str, bool)>,
    /// Of the default order.
    pub descending: bool,
    /// Lower-case term and columns.
    pub search: Option<(String, Vec<&'static str>)>,
    pub filters: Vec<(&'static str, Vec<Sql>)>,
    pub cut: Cut,
}

/// What differs between the listed resources.
pub(super) struct Listed {
    pub table: &'static str,
    pub fields: &'static [Field],
    /// The column of the default order, which is that of creation, too.
    pub order: &'static str,
    pub descending: bool,
}

impl Plan {
    /// # Errors
    /// A refusal that names the fields at fault.
    pub(super) fn of(query: &ListQuery, listed: &Listed) -> Result<Self, QueryError> {
        let sort = match &query.sort {
            Some((name, descending)) => Some((field(listed, name, "sort", |f| f.sortable)?.column, *descending)),
            None => None,
        };
        let by_creation = |column: &str| column == listed.order || column == "created_at";
        let (sort, descending) = match sort {
            Some((column, descending)) if by_creation(column) => (None, descending),
            Some(sort) => (Some(sort), listed.descending),
            None => (None, listed.descending),
        };
        let mut filters = Vec::new();
        for (name, value) in &query.filters {
            let field = field(listed, name, "filters", |f| f.filterable)?;
            filters.push((field.column, values(field, value)?));
        }
        Ok(Self { sort, descending, search: search(query, listed)?, filters, cut: Cut::new(query.number, query.size) })
    }

    pub(super) fn is_plain(&self) -> bool {
        self.sort.is_none() && self.search.is_none() && self.filters.is_empty()
    }

    /// How many rows match, and the positions of one page of them. `also` is a
    /// condition of the resource's own, with its values from `?2` on.
    pub(super) fn run(
        &self,
        connection: &Connection,
        listed: &Listed,
        tenant: &str,
        also: Option<(&'static str, Vec<Sql>)>,
    ) -> Result<(u64, Vec<u64>), QueryError> {
        let mut bound = vec![Sql::Text(tenant.to_owned())];
        let mut sql = format!("FROM {} WHERE tenant = ?1", listed.table);
        if let Some((condition, values)) = also {
            bound.extend(values);
            sql.push_str(&format!(" AND ({condition})"));
        }
        self.narrow(&mut sql, &mut bound);
        let count = format!("SELECT count(*) {sql}");
        let total = one(connection, &count, params_from_iter(&bound), |cells| cells.number())?.unwrap_or(0);
        let direction = |descending: bool| if descending { "DESC" } else { "ASC" };
        let mut order = String::new();
        if let Some((column, descending)) = self.sort {
            order = format!("{column} {}, ", direction(descending));
        }
        let select = format!(
            "SELECT position {sql} ORDER BY {order}{} {} LIMIT ?{} OFFSET ?{}",
            listed.order,
            direction(self.descending),
            bound.len() + 1,
            bound.len() + 2
        );
        bound.push(Sql::Integer(signed(self.cut.size)));
        bound.push(Sql::Integer(i64::try_from(self.cut.offset()).unwrap_or(i64::MAX)));
        let mut statement = connection.prepare_cached(&select)?;
        let found = statement.query_map(params_from_iter(&bound), |row| row.get::<_, i64>(0))?;
        let positions = found.map(|at| at.map(i64::cast_unsigned)).collect::<Result<_, _>>()?;
        Ok((total, positions))
    }

    fn narrow(&self, sql: &mut String, bound: &mut Vec<Sql>) {
        for (column, values) in &self.filters {
            let mut any = Vec::new();
            for value in values {
                if *value == Sql::Null {
                    any.push(format!("{column} IS NULL"));
                } else {
                    bound.push(value.clone());
                    any.push(format!("{column} = ?{}", bound.len()));
                }
            }
            // A list of no values matches nothing.
            let any = if any.is_empty() { "0".to_owned() } else { any.join(" OR ") };
            sql.push_str(&format!(" AND ({any})"));
        }
        if let Some((term, columns)) = &self.search {
            bound.push(Sql::Text(term.clone()));
            let term = bound.len();
            let any: Vec<String> = columns.iter().map(|column| format!("instr({column}, ?{term}) > 0")).collect();
            sql.push_str(&format!(" AND ({})", any.join(" OR ")));
        }
    }
}

fn field<'a>(listed: &Listed, name: &str, param: &str, usable: impl Fn(&Field) -> bool) -> Result<&'a Field, QueryError>
where
    Listed: 'a,
{
    let found = listed.fields.iter().find(|field| field.name == name && usable(field));
    found.ok_or_else(|| Refusal::invalid(param, format!("`{name}` is not a field it can be used with")).into())
}

fn search(query: &ListQuery, listed: &Listed) -> Result<Option<(String, Vec<&'static str>)>, QueryError> {
    let Some((term, names)) = &query.search else { return Ok(None) };
    if term.is_empty() {
        return Ok(None);
    }
    let columns = if names.is_empty() {
        listed.fields.iter().filter(|field| field.searchable).map(|field| field.column).collect()
    } else {
        names
            .iter()
            .map(|name| field(listed, name, "search", |f| f.searchable).map(|field| field.column))
            .collect::<Result<Vec<_>, _>>()?
    };
    Ok(Some((term.to_lowercase(), columns)))
}

/// What a filter's value allows.
fn values(field: &Field, value: &Value) -> Result<Vec<Sql>, QueryError> {
    let wrong = || Refusal::invalid("filters", format!("`{}` has a value it cannot have", field.name));
    match value {
        Value::Array(many) if many.len() > MAX_FILTER_VALUES => {
            Err(Refusal::invalid("filters", format!("`{}` has more than {MAX_FILTER_VALUES} values", field.name))
                .into())
        }
        Value::Array(many) => Ok(many.iter().map(|v| scalar(field, v).ok_or_else(wrong)).collect::<Result<_, _>>()?),
        one @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            Ok(vec![scalar(field, one).ok_or_else(wrong)?])
        }
    }
}

fn scalar(field: &Field, value: &Value) -> Option<Sql> {
    if value.is_null() {
        return Some(Sql::Null);
    }
    Some(match field.kind {
        FieldKind::Integer => Sql::Integer(value.as_i64()?),
        FieldKind::Boolean => Sql::Integer(value.as_bool()?.into()),
        FieldKind::Text => Sql::Text(value.as_str()?.to_lowercase()),
        FieldKind::Date => Sql::Text(value.as_str()?.to_owned()),
        FieldKind::Uuid => Sql::Blob(Uuid::parse_str(value.as_str()?).ok()?.as_bytes().to_vec()),
        FieldKind::Time => Sql::Integer(Timestamp::parse(value.as_str()?)?.0),
    })
}
