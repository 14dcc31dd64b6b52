//! What is asked of a list, and what it answers.

use crate::limits::MAX_PAGE;
use domain::invitation::{Kind, Role, State};
use domain::{Actor, Address};
use serde_json::Value;
use uuid::Uuid;

/// One page of a list. `number` counts from 1; past the end `rows` is empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    pub rows: Vec<T>,
    pub number: u64,
    pub size: u64,
    /// Rows of the whole list, filters applied.
    pub total: u64,
}

impl<T> Page<T> {
    #[must_use]
    pub fn total_pages(&self) -> u64 {
        self.total.div_ceil(self.size.max(1))
    }
}

/// Where a page begins, with its number and size within their bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub number: u64,
    pub size: u64,
}

impl Cut {
    pub(crate) fn new(number: u64, size: u64) -> Self {
        Self { number: number.max(1), size: size.clamp(1, MAX_PAGE) }
    }

    pub(crate) fn offset(self) -> u64 {
        (self.number - 1).saturating_mul(self.size)
    }

    pub(crate) fn page<T>(self, total: u64, rows: Vec<T>) -> Page<T> {
        Page { rows, number: self.number, size: self.size, total }
    }
}

/// Orders of an organization's invitations. Equal times are ordered by position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InviteSort {
    #[default]
    CreatedAsc,
    CreatedDesc,
    UpdatedAsc,
    UpdatedDesc,
}

/// An organization's invitations. `state: None` is all of them.
#[derive(Clone, Debug)]
pub struct InviteQuery {
    pub organization: Uuid,
    pub role: Option<Role>,
    pub state: Option<State>,
    pub sort: InviteSort,
    pub page: u64,
    pub per_page: u64,
}

/// A tenant's invitations as operators list them, newest first.
#[derive(Clone, Debug, Default)]
pub struct InvitationQuery {
    pub kind: Option<Kind>,
    /// The organization or integration; of platform invitations the tenant's own id.
    pub target: Option<Uuid>,
    pub state: Option<State>,
    pub address: Option<Address>,
    pub invited_by: Option<Actor>,
    pub page: u64,
    pub per_page: u64,
}

/// A list with the envelope dialect's sorting, searching and filtering. Names
/// are those of the resource's table of fields; dialects refuse others, and so
/// does the query.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    pub number: u64,
    pub size: u64,
    /// A field and whether it descends; `None` is the list's default order.
    pub sort: Option<(String, bool)>,
    /// A term and the fields to look in; no fields means all that are searchable.
    pub search: Option<(String, Vec<String>)>,
    /// A field and the value it must have: a scalar, null, or an array of which
    /// one must match. Texts compare without regard to case.
    pub filters: Vec<(String, Value)>,
}
